-- Store an overlay.
--
-- Reply  WON
-- Leaves the overlay, which replaces one that was there.

--- @include lib/replies
--- @include lib/key_types
--- @include lib/mutate

--- @keys meta overlays overlay_places
--- @args place record
expect_hashes(overlays)
mutate('ZADD', overlay_places, 0, place)
mutate('HSET', overlays, place, record)
return WON
