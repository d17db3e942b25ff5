-- Read a realm profile.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @keys profiles
--- @args name
return redis.call('HGET', profiles, name)
