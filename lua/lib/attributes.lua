-- The attributes of a run, in a field of its hash: their number in two digits, then of each the digest of its name
-- and that of its value (12 bytes each), its length in four digits, and a document of that length, which no
-- script reads. They stand in an index: a sorted set in lexical order, whose places are both digests and the end of the
-- run's place among all runs. How many places there are is known by the field `attributed` of the namespace: an
-- index that holds fewer was lost, and is made anew.

--- @include lib/chunks
--- @include lib/counters

local DIGEST, LENGTH_AT, DOCUMENT_AT = 12, 25, 29

-- the attributes in a text, none in no text; nil if it was damaged
local function attributes_in(text)
  local found, at = {}, 3
  if not text then return found end
  while at <= #text do
    local length = tonumber(string.match(text, '^%d%d%d%d', at + LENGTH_AT - 1))
    local last = length and at + DOCUMENT_AT - 2 + length
    if not last or last > #text then return nil end
    local name, place = string.sub(text, at, at + DIGEST - 1), string.sub(text, at, at + 2 * DIGEST - 1)
    found[#found + 1] = { name = name, place = place, text = string.sub(text, at, last) }
    at = last + 1
  end
  return #found == tonumber(string.match(text, '^%d%d')) and found or nil
end

-- the attributes of a run, which are in its field
local function attributes_of(run, text)
  local found = attributes_in(text)
  if not found then
    --- @include lib/damage
    damaged(run, 'its attributes cannot be read')
  end
  return found
end

-- one attribute of those that are to be set
local function attribute_in(text)
  return attributes_in('01' .. text)[1]
end

local function stored_attributes(texts)
  return string.format('%02d', #texts) .. table.concat(texts)
end

local function places_of(attributes, last)
  local places = {}
  for i, attribute in ipairs(attributes) do places[i] = attribute.place .. last end
  return places
end

-- how many places there are to be, as far as that can be read: one that is lost is set when the index is made anew
local function number_attributed(meta)
  return number_in(redis.call('HGET', meta, 'attributed') or '') or 0
end

local function know_attributed(meta, number)
  if number > 0 then
    mutate('HSET', meta, 'attributed', decimal(number))
  else
    mutate('HDEL', meta, 'attributed')
  end
end

-- places that come or go in the index, beside the number of all
local function add_places(by_attribute, places)
  local members = {}
  for _, place in ipairs(places) do members[#members + 1], members[#members + 2] = 0, place end
  in_chunks('ZADD', by_attribute, members)
end

local function remove_places(by_attribute, places)
  in_chunks('ZREM', by_attribute, places)
end

-- the run that was created last stands in the index by its attributes
local function enter_attributes(meta, by_attribute, attributes, run_id)
  know_attributed(meta, number_attributed(meta) + #attributes)
  add_places(by_attribute, places_of(attributes, string.format('%016d', number_at(meta, 'runs')) .. run_id))
end
