-- Delete all overlays of a mob.
--
-- KEYS   1 overlays   2 their places
-- ARGV   prefix of the places of the mob
-- Reply  how many there were
-- Leaves none of this mob, and those of all others.

--- @include lib/overlay_places
--- @include lib/chunks

local places = places_of(KEYS[2], ARGV[1])
in_chunks('HDEL', KEYS[1], places)
in_chunks('ZREM', KEYS[2], places)
return #places
