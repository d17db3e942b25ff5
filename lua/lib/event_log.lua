-- The event log of a namespace: a stream whose ids are the cursors, an index of terminal identities and other
-- things that happen once, and an order by time for pruning. Cursors come from a counter that only grows
-- (decision 0005).
-- A timestamp comes in two spellings: decimal microseconds, and eighteen digits from year 1 that sort as text.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/counters
--- @include lib/key_types
--- @include lib/mutate

local YEAR_ONE = 62135596800

-- bytes of an event that a message takes along: a message goes to every process that listens
local MOST_PUSHED = 4096

local function event_log(meta, stream, identities, by_time, channel)
  return { meta = meta, stream = stream, identities = identities, by_time = by_time, channel = channel }
end

local function take_event()
  return { mob = take(), timestamp = take(), order = take(), kind = take(), identities = take_list() }
end

local function set_time_of(event)
  if event.timestamp ~= '' then return end
  local time = redis.call('TIME')
  event.timestamp = time[1] .. string.format('%06d', time[2])
  event.order = string.format('%012d%06d', time[1] + YEAR_ONE, time[2])
end

local function index_event(log, event, cursor)
  mutate('ZADD', log.by_time, 0, event.order .. ':' .. decimal(cursor))
  for _, identity in ipairs(event.identities) do
    mutate('HSETNX', log.identities, identity, cursor)
  end
end

-- A script calls this before its other writes: a stream refuses a cursor that is not greater than its last, which only
-- XADD itself finds out. Returns {cursor, timestamp} of each event.
local function append_events(log, events)
  if #events == 0 then return {} end
  local before, stored = next_count(log.meta, 'cursor') - 1, {}
  expect_hashes(log.identities)
  expect_sorted_sets(log.by_time)
  gather(log.by_time, log.identities)
  for i, event in ipairs(events) do
    set_time_of(event)
    mutate('XADD', log.stream, decimal(before + i) .. '-0', 'schema_version', '6', 'mob_id', event.mob,
      'timestamp', event.timestamp, 'kind', event.kind)
    stored[i] = { before + i, event.timestamp }
  end
  log.last = before + #events
  if #events == 1 then log.only = events[1] end
  mutate('HSET', log.meta, 'cursor', log.last)
  count(log.stream, #events)
  for i, event in ipairs(events) do
    index_event(log, event, before + i)
  end
  count_gathered()
  return stored
end

-- Tells subscribers of what this script has appended. A single event that is small goes with the message, so that those
-- who are up to date need not read the log; codec/events.py reads it.
local function announce_events(log)
  if not log.last then return end
  local message, only = decimal(log.last), log.only
  if only and #only.kind <= MOST_PUSHED then
    message = table.concat({ '6', message, only.timestamp, #only.mob, only.mob .. only.kind }, ' ')
  end
  announce(log.channel, message)
end

-- whether the log has an identity; before it is said to be new, none may have been lost
local function has_identity(log, identity)
  if redis.call('HEXISTS', log.identities, identity) == 1 then return true end
  expect_whole('HLEN', log.identities)
  return false
end

-- those whose first identity the log does not have yet
local function absent_events(log, events)
  local absent = {}
  for _, event in ipairs(events) do
    if not has_identity(log, event.identities[1]) then
      absent[#absent + 1] = event
    end
  end
  return absent
end
