-- List checkpoints of a thread of LangGraph with their metadata, the last place first.
--
-- ARGV   low, high: between which places, as ZRANGE BYLEX takes them; most: how many at most
-- Reply  {place, metadata, ...}
-- Leaves everything as it was.

--- @include lib/langgraph_threads

--- @keys places records
--- @args low high most
local found, fields = redis.call('ZRANGE', places, high, low, 'BYLEX', 'REV', 'LIMIT', 0, most), {}
for i, member in ipairs(found) do fields[i] = 'm' .. string.sub(member, 2) end
local listed = {}
for i, metadata in ipairs(values_of(records, fields)) do
  listed[#listed + 1], listed[#listed + 2] = string.sub(found[i], 2), metadata
end
return listed
