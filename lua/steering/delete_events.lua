-- Delete some of the events of a run that is gone, and that the log knows what happened once.
--
-- KEYS   deletion: how far it is; deleted_cursors: events of the run, as lib/recorded_events writes them
-- ARGV   run_id: whose events they are; packed_id: the id as it stands in identities
-- Reply  {what the caller of the deletion has left for those who go on with it, 1 if there may be more events, 0 if none is
--        left}; nil if no run of this id is being deleted
-- Leaves these events gone. Recorded ones go first; then, if others are possible, the log is looked through, and the
--        identities, a part in each call.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/clock
--- @include lib/counters
--- @include lib/event_log
--- @include lib/key_types
--- @include lib/when_full

-- so that no call takes long, however much is to be deleted
local MOST_DELETED, MOST_LOOKED_AT = 100, 150

--- @keys meta deletion deleted_cursors events event_identities events_by_time
--- @args run_id packed_id
local about, newest, at, last, identities_at =
  unpack(redis.call('HMGET', deletion, 'about', 'newest', 'at', 'last', 'identities'), 1, 5)
if not about then return nil end
if not newest then return { about, 0 } end
newest = number_at(deletion, 'newest', newest)
local items = redis.call('LRANGE', deleted_cursors, 0, MOST_DELETED - 1)
redis.call('XLEN', events)
expect_hashes(event_identities)
expect_sorted_sets(events_by_time)

-- a time before 1970 begins with a minus; a number of Lua has too few digits for one
local function order_of(timestamp)
  local sign, digits = string.match(timestamp, '^(%-?)(%d+)$')
  if not digits then return nil end
  local seconds, rest = tonumber(string.sub(digits, 1, -7)) or 0, tonumber(string.sub(digits, -6))
  if sign == '-' then
    seconds = -seconds
    if rest > 0 then seconds, rest = seconds - 1, 1000000 - rest end
  end
  return string.format('%012d%06d', seconds + YEAR_ONE, rest)
end

local function field_of(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
  return ''
end

-- whether an event is about the run: those of runs name it behind their type
local function is_of_run(entry)
  local kind = field_of(entry, 'kind')
  -- without escapes: a type that is not known may have a quote
  local _, before = string.find(string.gsub(kind, '\\.', '__'), '^{"type":"[^"]*","run_id":"')
  return before ~= nil and string.sub(kind, before + 1, before + #run_id + 1) == run_id .. '"'
end

local function delete_entries(entries)
  local ids, places = {}, {}
  for i, entry in ipairs(entries) do
    ids[i] = entry[1]
    local order = order_of(field_of(entry, 'timestamp'))
    if order then places[#places + 1] = order .. ':' .. string.match(entry[1], '^%d+') end
  end
  if #ids > 0 then mutate('XDEL', events, unpack(ids)) end
  in_chunks('ZREM', events_by_time, places)
end

-- of those that are given, what the log knew before the run was deleted: another run may have its id since
local function known_before(identities)
  local found = {}
  for _, identity in ipairs(identities) do
    local cursor = number_in(redis.call('HGET', event_identities, identity) or '')
    if cursor and cursor <= newest then found[#found + 1] = identity end
  end
  return found
end

local function delete_recorded()
  local entries, identities, taken = {}, {}, 0
  for _, item in ipairs(items) do
    local first, number = string.match(item, '^e(%d+) (%d+)$')
    if first then
      if #entries > 0 and #entries + number > MOST_DELETED then break end
      local through = decimal(tonumber(first) + number - 1)
      for _, entry in ipairs(redis.call('XRANGE', events, first .. '-0', through .. '-0')) do
        entries[#entries + 1] = entry
      end
    else
      identities[#identities + 1] = item
    end
    taken = taken + 1
  end
  local known = known_before(identities)
  write_even_when_full(meta)
  delete_entries(entries)
  in_chunks('HDEL', event_identities, known)
  mutate('LTRIM', deleted_cursors, taken, -1)
end

local function delete_from_log()
  local found = redis.call('XRANGE', events, '(' .. at .. '-0', last .. '-0', 'COUNT', MOST_LOOKED_AT)
  local entries = {}
  for _, entry in ipairs(found) do
    if is_of_run(entry) then entries[#entries + 1] = entry end
  end
  write_even_when_full(meta)
  delete_entries(entries)
  if #found < MOST_LOOKED_AT then
    mutate('HDEL', deletion, 'at')
  else
    mutate('HSET', deletion, 'at', string.match(found[#found][1], '^%d+'))
  end
end

local function delete_identities()
  local reply = redis.call('HSCAN', event_identities, identities_at, 'COUNT', MOST_LOOKED_AT)
  local named = {}
  for i = 1, #reply[2], 2 do
    if string.find(reply[2][i], packed_id, 1, true) then named[#named + 1] = reply[2][i] end
  end
  local known = known_before(named)
  write_even_when_full(meta)
  in_chunks('HDEL', event_identities, known)
  if reply[1] == '0' then
    mutate('HDEL', deletion, 'identities')
  else
    mutate('HSET', deletion, 'identities', reply[1])
  end
end

if #items > 0 then
  delete_recorded()
elseif at then
  delete_from_log()
elseif identities_at then
  delete_identities()
else
  return { about, 0 }
end
return { about, 1 }
