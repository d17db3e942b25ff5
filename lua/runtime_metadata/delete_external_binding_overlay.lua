-- Delete one overlay.
--
-- KEYS   1 overlays   2 their places
-- ARGV   place
-- Reply  WON | LOST (it is not there)
-- Leaves no overlay in this place.

redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
