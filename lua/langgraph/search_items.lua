-- Read the next items of a store of LangGraph, in the order of their places.
--
-- ARGV   low: from which place on, as ZRANGE BYLEX takes it; high: up to which one; most: how many places are looked at
-- Reply  {the last place, '' = there are no more, {place, item, ...}}
-- Leaves everything as it was.

--- @include lib/langgraph_items

--- @keys items places expiry
--- @args low high most
local found = redis.call('ZRANGE', places, low, high, 'BYLEX', 'LIMIT', 0, most)
local gone, read = gone_of(expiry, found), {}
for i, item in ipairs(values_of(items, found)) do
  if item and not gone[found[i]] then
    read[#read + 1], read[#read + 2] = found[i], item
  end
end
return { #found == tonumber(most) and found[#found] or '', read }
