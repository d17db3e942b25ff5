-- Store an overlay unless there is one in its place.
--
-- Reply  WON | LOST
-- Leaves the overlay; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta overlays overlay_places
--- @args place record
if redis.call('HEXISTS', overlays, place) == 1 then return LOST end
expect_whole('HLEN', overlays)

mutate('ZADD', overlay_places, 0, place)
mutate('HSET', overlays, place, record)
return WON
