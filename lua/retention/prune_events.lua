-- Delete some of the events before a moment, and of those that are not among the newest, but for those of some kinds.
--
-- ARGV   moment: in the order that sorts as text, '' if events of any age stay; newest: how many stay, of any age, ''
--        for any number; kept: how the JSON of a kind that stays begins; most: how many are looked at
-- Reply  {number of deleted events, 1 if there may be more}
-- Leaves the events of that moment and later ones as far as they are among the newest, those that are kept, and all identities.

--- @include lib/arguments
--- @include lib/mutate
--- @include lib/prunable_events
--- @include lib/when_full

--- @keys meta events events_by_time
--- @args moment newest kept* most
expect_whole('XLEN', events)
expect_whole('ZCARD', events_by_time)

local last = end_of_prunable(events_by_time, moment, newest)
local places = redis.call('ZRANGE', events_by_time, '-', last, 'BYLEX', 'LIMIT', 0, most)
if #places == 0 then return { 0, 0 } end
local stays = those_that_stay(events, places, kept)
local moved, gone = {}, {}
for _, place in ipairs(places) do
  local id = id_of_place(place)
  if stays(id) then
    moved[#moved + 1], moved[#moved + 2] = 0, KEPT .. place
  else
    gone[#gone + 1] = id
  end
end

write_even_when_full(meta)
local deleted = 0
if #gone > 0 then deleted = mutate('XDEL', events, unpack(gone)) end
if #moved > 0 then mutate('ZADD', events_by_time, unpack(moved)) end
mutate('ZREM', events_by_time, unpack(places))
return { deleted, #places == tonumber(most) and 1 or 0 }
