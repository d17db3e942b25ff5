-- The newest places of the runs that are asked for, from the list in which fewer of others stand between: that of their
-- statuses, that of one of their attributes, or that of their mob, whose flows are merged.
--
-- ARGV   statuses: the bytes of these; mob: what places of the mob begin with, '' for any; flow: likewise with the flow;
--        attributes: what places of each of them begin with;
--        before: the sequence of creation (16 digits) that they are before, '' for none; most: how many; must_be_whole: 1
--        if the index, where it is asked, is to hold as many runs as there are
-- Reply  nil if it does not; or {now (microseconds), whether there are none behind these, the places: in the
--        index, or their ends alone}
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/attributes
--- @include lib/clock
--- @include lib/lexical_order
--- @include lib/run_listing

-- how many flows are merged, and how many places are looked at
local MOST_FLOWS, LOOKED_AT = 50, 500

local END_OF_PLACE, DIGITS = 52, 16

--- @keys meta runs runs_by_status by_attribute
--- @args statuses* mob flow attributes* before most must_be_whole
expect_all_runs(meta, runs)

local function size_of_range(key, prefix)
  return redis.call('ZLEXCOUNT', key, '[' .. prefix, '(' .. prefix .. '\255')
end

local function in_index()
  local number = 0
  for _, status in ipairs(statuses) do number = number + size_of_range(runs_by_status, status) end
  return number
end

-- what the places of each flow of the mob begin with; nil if there are too many
local function flows_of_mob()
  local found, place = {}, beginning_with(runs, mob, 1)[1]
  while place do
    if #found == MOST_FLOWS then return nil end
    found[#found + 1] = string.sub(place, 1, -END_OF_PLACE - 1)
    place = first_behind(runs, mob, found[#found])
  end
  return found
end

-- what places of the attribute begin with that the fewest runs have, and how many; nil if none is asked for
local function rarest_attribute()
  local rarest, fewest
  for _, attribute in ipairs(attributes) do
    local number = size_of_range(by_attribute, attribute)
    if not fewest or number < fewest then rarest, fewest = attribute, number end
  end
  return rarest, fewest
end

-- the key to read, and what its places begin with that are asked for
local function source()
  if mob == '' and #attributes == 0 then return runs_by_status, statuses end
  local most_of_it = in_index()
  local attribute, number = rarest_attribute()
  if attribute then most_of_it = math.min(most_of_it, number) end
  if flow ~= '' then
    if size_of_range(runs, flow) <= most_of_it then return runs, { flow } end
  elseif mob ~= '' and size_of_range(runs, mob) <= most_of_it then
    local flows = flows_of_mob()
    if flows then return runs, flows end
  end
  if number == most_of_it then return by_attribute, { attribute } end
  return runs_by_status, statuses
end

local function sequence_of(place)
  return tonumber(string.sub(place, -END_OF_PLACE, -END_OF_PLACE + DIGITS - 1))
end

-- the newest places of a range, of which there may be more
local function newest(key, prefix, number)
  local first = before == '' and '(' .. prefix .. '\255' or '(' .. prefix .. before
  return redis.call('ZRANGE', key, first, '[' .. prefix, 'BYLEX', 'REV', 'LIMIT', 0, number)
end

if must_be_whole == '1' and #attributes > 0 and redis.call('ZCARD', by_attribute) ~= number_attributed(meta) then
  return nil
end
local key, prefixes = source()
if key == runs_by_status and must_be_whole == '1' and redis.call('ZCARD', key) ~= redis.call('ZCARD', runs) then
  return nil
end
local wanted = math.min(tonumber(most), LOOKED_AT)
local share = math.min(wanted, math.max(1, math.floor(LOOKED_AT / math.max(#prefixes, 1))))
-- behind the last place of a range of which there may be more, those of other ranges are left for the next call
local places, sequences, floor, more = {}, {}, 0, false
for _, prefix in ipairs(prefixes) do
  local found = newest(key, prefix, share)
  for _, place in ipairs(found) do
    local sequence = sequence_of(place)
    -- one that an older release has changed may stand at two statuses for a while
    if not places[sequence] then sequences[#sequences + 1] = sequence end
    places[sequence] = place
  end
  if #found == share then floor, more = math.max(floor, sequence_of(found[share])), true end
end
if #prefixes > 1 then table.sort(sequences, function(one, other) return one > other end) end
local reply = {}
for _, sequence in ipairs(sequences) do
  if sequence < floor or #reply == wanted then
    more = true
    break
  end
  reply[#reply + 1] = key == runs and string.sub(places[sequence], -END_OF_PLACE) or places[sequence]
end
return { now(), more and 0 or 1, reply }
