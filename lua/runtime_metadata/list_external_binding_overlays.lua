-- Read the overlays of a mob, at one moment.
--
-- KEYS   1 overlays   2 their places
-- ARGV   prefix of the places of the mob
-- Reply  {place, record} of each, in no order; a record that is missing is empty
-- Leaves everything as it was.

--- @include lib/overlay_places

local overlays = {}
for i, place in ipairs(places_of(KEYS[2], ARGV[1])) do
  overlays[i] = { place, redis.call('HGET', KEYS[1], place) or '' }
end
return overlays
