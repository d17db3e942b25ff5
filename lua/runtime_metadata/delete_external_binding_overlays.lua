-- Delete all overlays of a mob.
--
-- ARGV   prefix: what the places of the mob begin with
-- Reply  how many there were
-- Leaves none of this mob, and those of all others.

--- @include lib/overlay_places
--- @include lib/chunks

--- @keys meta overlays overlay_places
--- @args prefix
local found = places_of(overlay_places, prefix)
in_chunks('HDEL', overlays, found)
in_chunks('ZREM', overlay_places, found)
return #found
