-- Read the definition of a mob.
--
-- Reply  revision, a space and the definition; or nil
-- Leaves everything as it was.

--- @keys specs
--- @args mob
return redis.call('HGET', specs, mob)
