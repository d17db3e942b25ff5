-- Read what the ancestors of a checkpoint of LangGraph hold of some channels, up to the nearest value of each.
--
-- ARGV   place: of the checkpoint; prefix: what places of its namespace begin with; most: how many ancestors at most;
--        channels: for each what the fields of its blobs begin with, and what the values of its writes begin with
-- Reply  {place to go on from, '' = there is nothing more, {{number of a channel, its blob, ...}, {fields and values of
--        writes}} of each ancestor, the nearest one first}
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/langgraph_threads

--- @keys places records
--- @args place prefix most channels*
local left, missing = {}, #channels / 2
for number = 1, missing do left[number] = { blobs = channels[2 * number - 1], writes = channels[2 * number] } end

local function begins_with(text, start)
  return string.sub(text, 1, #start) == start
end

local function blobs_at(references)
  local found = {}
  for _, field in ipairs(texts_in(references)) do
    for number, channel in pairs(left) do
      local blob = begins_with(field, channel.blobs) and redis.call('HGET', records, field)
      if blob then found[#found + 1], found[#found + 2] = number, blob end
    end
  end
  return found
end

local function writes_at(here)
  local fields, found = between(places, writes_of(here), 0, -1), {}
  for i, value in ipairs(values_of(records, fields)) do
    for _, channel in pairs(left) do
      if value and begins_with(value, channel.writes) then
        found[#found + 1], found[#found + 2] = fields[i], value
      end
    end
  end
  return found
end

local ancestors = {}
while missing > 0 do
  local metadata = redis.call('HGET', records, 'm' .. place)
  local parent = metadata and parent_in(metadata) or ''
  if parent == '' then return { '', ancestors } end
  if #ancestors == tonumber(most) then return { place, ancestors } end
  place = prefix .. parent
  local references = redis.call('HGET', records, 'v' .. place)
  if not references then return { '', ancestors } end
  local blobs = blobs_at(references)
  ancestors[#ancestors + 1] = { blobs, writes_at(place), place }
  for i = 1, #blobs, 2 do
    left[blobs[i]] = nil
    missing = missing - 1
  end
end
return { '', ancestors }
