-- Delete one overlay.
--
-- Reply  WON | LOST (it is not there)
-- Leaves no overlay in this place.

--- @include lib/mutate

--- @keys meta overlays overlay_places
--- @args place
if redis.call('HEXISTS', overlays, place) == 0 then expect_whole('HLEN', overlays) end
mutate('ZREM', overlay_places, place)
return mutate('HDEL', overlays, place)
