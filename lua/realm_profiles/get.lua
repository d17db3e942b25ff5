-- Read a realm profile.
--
-- KEYS   1 profiles
-- ARGV   name
-- Reply  the record, or nil
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1])
