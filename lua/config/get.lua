-- Read a config document.
--
-- KEYS   1 documents
-- ARGV   place
-- Reply  the document, or nothing
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], ARGV[1])
