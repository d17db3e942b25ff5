-- List namespaces of a store of LangGraph that have items, in their order; others are passed over without a look at
-- their items.
--
-- ARGV   low: from which place on, as ZRANGE BYLEX takes it; high: up to which one; most: how many places are looked at
-- Reply  {what to go on with as low, '' = there are no more, {namespaces, as places begin with them}}
-- Leaves everything as it was.

--- @include lib/langgraph_items

--- @keys places expiry
--- @args low high most
local found = {}
for _ = 1, tonumber(most) do
  local place = redis.call('ZRANGE', places, low, high, 'BYLEX', 'LIMIT', 0, 1)[1]
  if not place then return { '', found } end
  if gone_of(expiry, { place })[place] then
    low = '(' .. place
  else
    local last = string.find(place, '%z%z')
    local namespace = string.sub(place, 1, last)
    found[#found + 1] = namespace
    low = '(' .. namespace .. '\0\255'
  end
end
return { low, found }
