-- Read checkpoints of a thread of LangGraph, with their blobs and with what was written on top of them.
--
-- ARGV   newest: what the place of a checkpoint begins with of which the newest one is read, '' = those at the places that
--        follow; wanted: places
-- Reply  {place, checkpoint, metadata, references, {blobs, false for one that is not there}, {fields and values of writes}}
--        of each that is there
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/langgraph_threads

--- @keys places records
--- @args newest wanted*
if newest ~= '' then
  local found = redis.call('ZRANGE', places, '(c' .. newest .. '\255', '[c' .. newest, 'BYLEX', 'REV', 'LIMIT', 0, 1)
  wanted = found[1] and { string.sub(found[1], 2) } or {}
end
local read = {}
for _, place in ipairs(wanted) do
  local checkpoint, metadata, references =
    unpack(redis.call('HMGET', records, 'c' .. place, 'm' .. place, 'v' .. place), 1, 3)
  if checkpoint then
    local fields, writes = between(places, writes_of(place), 0, -1), {}
    for i, value in ipairs(values_of(records, fields)) do
      writes[#writes + 1], writes[#writes + 2] = fields[i], value
    end
    read[#read + 1] =
      { place, checkpoint, metadata, references, values_of(records, texts_in(references)), writes }
  end
end
return read
