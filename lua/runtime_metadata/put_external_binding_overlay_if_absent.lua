-- Store an overlay unless there is one in its place.
--
-- KEYS   1 overlays   2 their places
-- ARGV   place, record
-- Reply  WON | LOST
-- Leaves the overlay; nothing when lost.

--- @include lib/replies

if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return LOST end

redis.call('ZADD', KEYS[2], 0, ARGV[1])
return WON
