-- Read the definition of a mob.
--
-- KEYS   1 specs
-- ARGV   mob
-- Reply  revision, a space and the definition; or nil
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1])
