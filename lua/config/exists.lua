-- Whether there is a config document.
--
-- KEYS   1 documents
-- ARGV   place
-- Reply  1 | 0
-- Leaves everything as it was.

return redis.call('HEXISTS', KEYS[1], ARGV[1])
