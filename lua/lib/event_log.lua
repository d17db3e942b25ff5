-- The event log of a namespace: a stream whose ids are the cursors, an index of terminal identities and other
-- things that happen once, and an order by time for pruning. Cursors come from a counter that only grows
-- (decision 0005).
-- A timestamp comes in two spellings: decimal microseconds, and eighteen digits from year 1 that sort as text.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/chunks
--- @include lib/clock
--- @include lib/counters

local YEAR_ONE = 62135596800

local function event_log(meta, stream, identities, by_time, channel)
  -- `resets`: cursors of the resets of mobs that this script appends
  return { meta = meta, stream = stream, identities = identities, by_time = by_time, channel = channel, resets = {} }
end

-- An identity as the index has it: that of a job has the last reset of its mob behind it, since a reset begins anew.
local function name_of(log, identity, mob)
  local letter = string.sub(identity, 1, 1)
  if letter ~= 'j' and letter ~= 'k' then return identity end
  return identity .. (log.resets[mob] or redis.call('HGET', log.identities, 'r' .. mob) or '0')
end

local function take_event()
  local at = position
  position = at + 5 + ARGV[at + 5]
  return { mob = ARGV[at + 1], timestamp = ARGV[at + 2], order = ARGV[at + 3], kind = ARGV[at + 4],
    identities = { unpack(ARGV, at + 6, position) } }
end

local function set_time_of(event)
  local stamp = now()
  event.timestamp = stamp
  event.order = string.format('%012d', string.sub(stamp, 1, -7) + YEAR_ONE) .. string.sub(stamp, -6)
end

-- A script calls this before its other writes: a stream refuses a cursor that is not greater than its last, which only
-- XADD itself finds out. Returns {cursor, timestamp} of each event. An event that brings its cursor keeps it.
local function append_events(log, events)
  if #events == 0 then return {} end
  local before, stored, times, identities = number_at(log.meta, 'cursor'), {}, {}, {}
  local cursors = {}
  for i, event in ipairs(events) do
    if event.timestamp == '' then set_time_of(event) end
    cursors[i] = decimal(event.cursor or before + i)
    times[2 * i - 1], times[2 * i] = '0', event.order .. ':' .. cursors[i]
    for _, identity in ipairs(event.identities) do
      local is_reset = string.sub(identity, 1, 1) == 'r'
      if is_reset then log.resets[event.mob] = cursors[i] end
      identities[#identities + 1] = { name_of(log, identity, event.mob), cursors[i], is_reset }
    end
  end
  if #identities > 0 then redis.call('HLEN', log.identities) end
  redis.call('ZCARD', log.by_time)
  for i, event in ipairs(events) do
    mutate('XADD', log.stream, cursors[i] .. '-0', 'schema_version', '6', 'mob_id', event.mob,
      'timestamp', event.timestamp, 'kind', event.kind)
    stored[i] = { event.cursor or before + i, event.timestamp }
  end
  log.last = cursors[#events]
  if #events == 1 then log.only = events[1] end
  mutate('HSET', log.meta, 'cursor', log.last)
  count(log.stream, #events)
  in_chunks('ZADD', log.by_time, times)
  if #identities > 0 then
    --- @include lib/gathering
    local is_alone = not gathered
    if is_alone then gather() end
    for _, identity in ipairs(identities) do
      if identity[3] then
        mutate('HSET', log.identities, identity[1], identity[2])
      else
        mutate('HSETNX', log.identities, identity[1], identity[2])
      end
    end
    if is_alone then count_gathered() end
  end
  return stored
end

-- Tells subscribers of what this script has appended. A single event that is small goes with the message, so that those
-- who are up to date need not read the log; codec/events.py reads it.
local function announce_events(log)
  if not log.last then return end
  local MOST_PUSHED = 4096  -- bytes of an event that a message takes along: it goes to every process that listens
  local message, only = log.last, log.only
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
