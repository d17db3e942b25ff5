-- Store an overlay.
--
-- KEYS   1 overlays   2 their places
-- ARGV   place, record
-- Reply  WON
-- Leaves the overlay in the place of the one that was there, if any.

--- @include lib/replies

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return WON
