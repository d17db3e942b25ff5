-- Read a definition that runs were started with.
--
-- KEYS   1 definitions
-- ARGV   digest
-- Reply  the definition, or nil
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1])
