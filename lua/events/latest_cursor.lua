-- The greatest cursor still present.
--
-- KEYS   1 events
-- ARGV   none
-- Reply  the last entry of the stream in an array, which is empty if there is none
-- Leaves everything as it was.

return redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
