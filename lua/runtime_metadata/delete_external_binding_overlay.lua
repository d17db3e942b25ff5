-- Delete one overlay.
--
-- Reply  WON | LOST (it is not there)
-- Leaves no overlay in this place.

--- @include lib/key_types
--- @include lib/mutate

--- @keys overlays places
--- @args place
expect_hashes(overlays)
mutate('ZREM', places, place)
return mutate('HDEL', overlays, place)
