-- The cursor of the last change in a config namespace.
--
-- KEYS   1 tokens
-- ARGV   namespace
-- Reply  the cursor, '0' if nothing ever changed
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1]) or '0'
