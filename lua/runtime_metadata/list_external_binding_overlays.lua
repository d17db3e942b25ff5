-- Read the overlays of a mob, at one moment.
--
-- ARGV   prefix: what the places of the mob begin with
-- Reply  {place, record} of each, in no order; a record that is missing is empty
-- Leaves everything as it was.

--- @include lib/overlay_places

--- @keys meta overlays overlay_places
--- @args prefix
expect_whole('HLEN', overlays)
local found = {}
for i, place in ipairs(places_of(overlay_places, prefix)) do
  found[i] = { place, redis.call('HGET', overlays, place) or '' }
end
return found
