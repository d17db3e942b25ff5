-- Delete one overlay.
--
-- Reply  WON | LOST (it is not there)
-- Leaves no overlay in this place.

--- @include lib/key_types
--- @include lib/mutate

--- @keys meta overlays overlay_places
--- @args place
expect_hashes(overlays)
mutate('ZREM', overlay_places, place)
return mutate('HDEL', overlays, place)
