-- Read the authority of a mob's supervisor.
--
-- KEYS   1 supervisors
-- ARGV   mob
-- Reply  the record, or nil
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1])
