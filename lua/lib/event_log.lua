-- The event log of a namespace: a stream whose ids are the cursors, an index of terminal identities and other
-- things that happen once, and an order by time for pruning. Cursors come from a counter that only grows
-- (decision 0005).
-- A timestamp comes in two spellings: decimal microseconds, and eighteen digits from year 1 that sort as text.

--- @include lib/arguments

local YEAR_ONE = 62135596800

local function take_event()
  return { mob = take(), timestamp = take(), order = take(), kind = take(), identities = take_list() }
end

-- keys: meta, stream, identities, order by time, channel
local function append_event(keys, event)
  if event.timestamp == '' then
    local time = redis.call('TIME')
    event.timestamp = time[1] .. string.format('%06d', time[2])
    event.order = string.format('%012d%06d', time[1] + YEAR_ONE, time[2])
  end
  local cursor = redis.call('HINCRBY', keys.meta, 'cursor', 1)
  redis.call('XADD', keys.stream, cursor .. '-0', 'schema_version', '6', 'mob_id', event.mob,
    'timestamp', event.timestamp, 'kind', event.kind)
  redis.call('ZADD', keys.by_time, 0, event.order .. ':' .. cursor)
  for _, identity in ipairs(event.identities) do
    redis.call('HSETNX', keys.identities, identity, cursor)
  end
  return { cursor, event.timestamp }
end

local function append_events(keys, events)
  local stored = {}
  for i, event in ipairs(events) do
    stored[i] = append_event(keys, event)
  end
  if #stored > 0 then
    redis.call('SPUBLISH', keys.channel, stored[#stored][1])
  end
  return stored
end

-- those whose first identity the log does not have yet
local function absent_events(keys, events)
  local absent = {}
  for _, event in ipairs(events) do
    if redis.call('HEXISTS', keys.identities, event.identities[1]) == 0 then
      absent[#absent + 1] = event
    end
  end
  return absent
end

local function log_keys(first)
  return { meta = KEYS[first], stream = KEYS[first + 1], identities = KEYS[first + 2], by_time = KEYS[first + 3],
    channel = KEYS[first + 4] }
end
