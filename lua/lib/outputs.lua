-- Outputs of steps in one hash. A value carries its place in the order of first recording in front: '<place>:<json>';
-- the JSON is packed if it is long.
-- The outputs of a loop have their number of iterations in a field of its own, so that skipped ones read as empty.

--- @include lib/arguments
--- @include lib/counters
--- @include lib/many_fields

-- field, output (JSON), field of the loop's length ('' = no loop), iteration
local function take_output()
  return { field = take(), json = take(), length_field = take(), iteration = tonumber(take()) }
end

-- Fields and values that record some outputs. All is read here, before the first write of a script, so that the key does
-- not refuse the write later.
local function records_of(key, outputs)
  if #outputs == 0 then return {} end
  local size, places, lengths, records, fields = nil, {}, {}, {}, {}
  for i, output in ipairs(outputs) do fields[i] = output.field end
  local stored = values_of(key, fields)
  local function add(field, value)
    records[#records + 1], records[#records + 2] = field, value
  end
  for i, output in ipairs(outputs) do
    local field, length_field = output.field, output.length_field
    if stored[i] and not places[field] then places[field] = string.match(stored[i], '^%d+') end
    if not places[field] then
      size = size or redis.call('HLEN', key)
      places[field] = size
      size = size + 1
    end
    add(field, places[field] .. ':' .. output.json)
    if length_field ~= '' then
      local length = lengths[length_field] or number_at(key, length_field)
      if length <= output.iteration then
        if length == 0 and size then size = size + 1 end
        length = output.iteration + 1
        add(length_field, numeral(length))
      end
      lengths[length_field] = length
    end
  end
  return records
end
