-- Delete all overlays of a mob.
--
-- ARGV   prefix: what the places of the mob begin with
-- Reply  how many there were
-- Leaves none of this mob, and those of all others.

--- @include lib/overlay_places
--- @include lib/chunks

--- @keys overlays places
--- @args prefix
local found = places_of(places, prefix)
in_chunks('HDEL', overlays, found)
in_chunks('ZREM', places, found)
return #found
