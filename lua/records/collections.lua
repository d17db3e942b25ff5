-- Read which collections have records.
--
-- Reply  what the places of each collection begin with
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/lexical_order
--- @include lib/queue_parts

--- @keys meta generic_records record_places
expect_whole('ZCARD', record_places)
local found, last = {}, ''
while true do
  local place = first_after(record_places, last, '')
  if not place then return found end
  last = string.sub(place, 1, part_end(place, 1))
  found[#found + 1] = last
end
