-- The runs whose ids begin with a text, among some places.
--
-- ARGV   beginning: of the ids; after: the place before, '' to begin; most: how many places are looked at
-- Reply  {the last place that was looked at, '' if it was the last of all; the ids}
-- Leaves everything as it was.

--- @include lib/run_listing

local ID = 36

--- @keys meta runs
--- @args beginning after most
expect_all_runs(meta, runs)
local places = redis.call('ZRANGE', runs, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, most)
local found, last = {}, #beginning - ID - 1
for _, place in ipairs(places) do
  if string.sub(place, -ID, last) == beginning then found[#found + 1] = string.sub(place, -ID) end
end
return { #places == tonumber(most) and places[#places] or '', found }
