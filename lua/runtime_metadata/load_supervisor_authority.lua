-- Read the authority of a mob's supervisor.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @keys supervisors
--- @args mob
return redis.call('HGET', supervisors, mob)
