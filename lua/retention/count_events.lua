-- Count some of the events that a prune would delete.
--
-- ARGV   moment, newest, kept, most: as for prune_events; after: the place that was looked at last, '' to begin
-- Reply  {number of events, the place that was looked at last, '' if it was the last of all}
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/counts
--- @include lib/prunable_events

--- @keys meta events events_by_time
--- @args moment newest kept* most after
expect_whole('XLEN', events)
expect_whole('ZCARD', events_by_time)

local first = after == '' and '-' or '(' .. after
local last = end_of_prunable(events_by_time, moment, newest)
local places = redis.call('ZRANGE', events_by_time, first, last, 'BYLEX', 'LIMIT', 0, most)
if #places == 0 then return { 0, '' } end
local stays, number = those_that_stay(events, places, kept), 0
for _, place in ipairs(places) do
  if not stays(id_of_place(place)) then number = number + 1 end
end
return { number, #places == tonumber(most) and places[#places] or '' }
