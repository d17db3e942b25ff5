-- Executions with limits. An entry has its limits behind its queue, as a msgpack text of bytes: a letter for each, 'c' for
-- what is under way, 'r' for what begins and those of lib/units for units, 16 bytes for what is counted, the bound in 4, and a
-- time in ms in 8; of a limit of units the time in 6, and in 4 how many the entry reserves. Letter and digest name a gate;
-- entries of one queue with the same limits are a lane, and wait together (decision 0034).
--
-- `gated` is in lexical order. By the letter before: 'v' an entry that waits in its lane, 't' likewise, a suspect; 'o' a
-- lane from which something may be taken, 'p' behind a gate that was full one that waits for that, both with 'v' or 't';
-- 'q' which of these was opened last. 'k' behind a gate an entry that counts there: it was taken, or is under way. 'b'
-- behind a gate of a rate when something began. 'n' behind one of units its account (see lib/units). 'c' behind a gate of a
-- rate until when it is closed (ms): the service that it guards has asked for that.
-- `gate_times` has, in ms, when a gate of a rate has room again that lanes wait for ('r'), when it forgets ('x'), and until
-- when it is closed ('c').
--
-- What waits never waits for nothing: a lane that has an entry is open, or behind a gate that is full, or behind one for
-- which another lane of the queue is open. That one passes it on when it is closed.

--- @include lib/chunks
--- @include lib/fleet_clock
--- @include lib/lexical_order
--- @include lib/queue_parts
--- @include lib/units

local LIMITED = 196  -- the byte behind the queue; the rank of a priority is less than 128

local function big_endian(text, first, last)
  local value = 0
  for i = first, last do value = value * 256 + string.byte(text, i) end
  return value
end

-- of an entry, or of what one begins with: its lane; nil if it has no limits
local function lane_of(entry)
  local at = queue_end(entry, 1)
  if string.byte(entry, at + 1) ~= LIMITED then return nil end
  local last = at + 2 + string.byte(entry, at + 2)
  return { queue = string.sub(entry, 1, at), name = string.sub(entry, 1, last), first = at + 3, last = last }
end

-- the gates of a lane
local function gates_of(lane)
  if lane.gates then return lane.gates end
  local gates, at, of_limit, of_units = {}, lane.first, 29, 31
  while at <= lane.last do
    local letter = string.sub(lane.name, at, at)
    local gate = {
      id = string.sub(lane.name, at, at + 16),
      letter = letter,
      is_rate = letter == 'r',
      counts_units = letter == 'i' or letter == 'o' or letter == 'u',
      limit = big_endian(lane.name, at + 17, at + 20),
    }
    if gate.counts_units then
      gate.per, gate.units = big_endian(lane.name, at + 21, at + 26), big_endian(lane.name, at + 27, at + 30)
      at = at + of_units
    else
      gate.per = big_endian(lane.name, at + 21, at + 28)
      at = at + of_limit
    end
    gates[#gates + 1] = gate
  end
  lane.gates = gates
  return gates
end

local function begun_at(gate, at)
  return 'b' .. gate.id .. string.format('%015d', math.max(at, 0))
end

-- of a member of 'b', as number
local function time_begun(member)
  return tonumber(string.sub(member, 19, 33))
end

-- how many began in some time up to now, and the first of them; what a clock that was set back has left behind all time
-- does not count
local function begun_since(gated, gate, time)
  local first, last = '[' .. begun_at(gate, NOW - time), '[' .. begun_at(gate, NOW + gate.per) .. '\255'
  return redis.call('ZLEXCOUNT', gated, first, last), function()
    local member = redis.call('ZRANGE', gated, first, last, 'BYLEX', 'LIMIT', 0, 1)[1]
    return member and time_begun(member) or NOW
  end
end

-- until when a gate of a rate is closed (ms), nil if it is open
local function end_of_closing(gated, gate)
  local member = gate.per > 0 and beginning_with(gated, 'c' .. gate.id, 1)[1]
  local at = member and tonumber(string.sub(member, 19))
  return at and at > NOW and at or nil
end

-- Let nothing pass a gate of a rate until a time; the latest counts.
local function close_until(gated, gate_times, gate, at)
  local before = beginning_with(gated, 'c' .. gate.id)
  for _, member in ipairs(before) do at = math.max(at, tonumber(string.sub(member, 19)) or 0) end
  local member = 'c' .. gate.id .. string.format('%015d', at)
  mutate('ZADD', gated, 0, member)
  for _, one in ipairs(before) do
    if one ~= member then mutate('ZREM', gated, one) end
  end
  mutate('ZADD', gate_times, decimal(at), 'c' .. gate.id)
end

-- Whether nothing more may pass a gate; and of a rate, when it may (ms). If in twice the time as many have begun as may in
-- one, further ones are spread: what begins at one moment could only begin at one moment again. A limit of units
-- is full if `units` have no room in it, by default those of the entry.
local function is_full(gated, gate, units)
  local closed = end_of_closing(gated, gate)
  if closed then return true, closed end
  if gate.counts_units then return lacks_units(gated, gate, units or gate.units) end
  local counting = redis.call('ZLEXCOUNT', gated, '[k' .. gate.id, '[k' .. gate.id .. '\255')
  if not gate.is_rate then return counting >= gate.limit end
  local begun, first = begun_since(gated, gate, gate.per)
  if begun + counting >= gate.limit then return true, first() + gate.per + 1 end
  local lately = begun_since(gated, gate, 2 * gate.per)
  if lately + counting < gate.limit then return false end
  local parts = math.min(gate.limit, 25)  -- over which a rate is spread
  local slice = math.floor(gate.per / 2 / parts)
  begun, first = begun_since(gated, gate, slice)
  if begun + counting < math.ceil(gate.limit / parts) then return false end
  return true, first() + slice + 1
end

-- Open the next lane of each queue among those that wait for a gate; the queues are added to `opened`.
local function pass_on(gated, id, opened)
  local prefix = 'p' .. id
  local member = beginning_with(gated, prefix, 1)[1]
  while member do
    -- behind the letter that tells suspects
    local last = queue_end(member, #prefix + 2)
    local here, kind_and_queue = string.sub(member, 1, last), string.sub(member, #prefix + 1, last)
    local before = beginning_with(gated, 'q' .. id .. kind_and_queue, 1)[1]
    local lane = before and first_behind(gated, here, 'p' .. string.sub(before, 2)) or member
    mutate('ZREM', gated, lane)
    if before then mutate('ZREM', gated, before) end
    mutate('ZADD', gated, 0, 'o' .. string.sub(lane, #prefix + 1))
    if beginning_with(gated, here, 1)[1] then mutate('ZADD', gated, 0, 'q' .. string.sub(lane, 2)) end
    opened[string.sub(kind_and_queue, 2)] = true
    member = first_behind(gated, prefix, here)
  end
end

-- for gates at which room was made, as `uncount` has noted them
local function pass_all_on(gated, ids, opened)
  for id, freed in pairs(ids) do
    if freed.reserved > 0 then change_account(gated, freed.gate, -freed.reserved, freed.used) end
    pass_on(gated, id, opened)
  end
end

local function wake_at(gate_times, gate, at)
  mutate('ZADD', gate_times, 'LT', decimal(math.min(at, NOW + gate.per + 1)), 'r' .. gate.id)
end

-- Close a lane that is empty, or waits for a gate: others may have what is free at its other gates.
local function close_lane(gated, gate_times, kind, lane, gate, at)
  mutate('ZREM', gated, 'o' .. kind .. lane.name)
  if gate then
    mutate('ZADD', gated, 0, 'p' .. gate.id .. kind .. lane.name)
    if at then wake_at(gate_times, gate, at) end
  end
  for _, other in ipairs(gates_of(lane)) do
    if other ~= gate and beginning_with(gated, 'p' .. other.id, 1)[1] then
      -- others may need fewer units than this one
      local full, room_at = is_full(gated, other, 1)
      if not full then
        pass_on(gated, other.id, {})
      elseif room_at then
        wake_at(gate_times, other, room_at)
      end
    end
  end
end

-- A lane of which nothing may ever be taken again, if it is empty: no worker may come to see that.
local function forget_lane(gated, gate_times, turns, kind, lane)
  local named = kind .. lane.name
  if beginning_with(gated, named, 1)[1] then return end
  if redis.call('ZSCORE', gated, 'o' .. named) then close_lane(gated, gate_times, kind, lane) end
  for _, gate in ipairs(gates_of(lane)) do
    local of_queue = gate.id .. kind .. lane.queue
    if redis.call('ZSCORE', gated, 'p' .. gate.id .. named) then
      mutate('ZREM', gated, 'p' .. gate.id .. named)
      if not beginning_with(gated, 'p' .. of_queue, 1)[1] then in_chunks('ZREM', gated, beginning_with(gated, 'q' .. of_queue)) end
    end
  end
  mutate('HDEL', turns, lane.name)
  if not beginning_with(gated, kind .. lane.queue, 1)[1] then mutate('HDEL', turns, lane.queue .. string.char(LIMITED)) end
end

-- counts an entry that is taken at its gates
local function count_taken(gated, gate_times, lane, entry)
  for _, gate in ipairs(gates_of(lane)) do
    if mutate('ZADD', gated, 0, 'k' .. gate.id .. entry) == 1 and gate.counts_units then
      change_account(gated, gate, gate.units, 0)
      mutate('ZADD', gate_times, 'NX', decimal(NOW + gate.per + 1), 'x' .. gate.id .. string.format('%015d', gate.per))
    end
  end
end

-- Adds to a list of members, and to the gates at which room is made, what it takes that an entry does not count any more.
-- One that has begun has `used` units, by letter, or as many as it has reserved; without it, it has used none.
local function uncount(gated, lane, entry, gone, ids, used)
  for _, gate in ipairs(gates_of(lane)) do
    local member = 'k' .. gate.id .. entry
    gone[#gone + 1] = member
    local freed = ids[gate.id] or { gate = gate, reserved = 0, used = 0 }
    ids[gate.id] = freed
    if gate.counts_units and redis.call('ZSCORE', gated, member) then
      freed.reserved = freed.reserved + gate.units
      freed.used = freed.used + (used and (used[gate.letter] or gate.units) or 0)
    end
  end
end

-- adds to a list what it takes that an entry waits in its lane
local function put_in_lane(kind, lane, entry, places)
  places[#places + 1], places[#places + 2] = kind .. entry, 'o' .. kind .. lane.name
end

-- whether an entry may be claimed: it was taken, and nothing else has what it counts for
local function is_counted(gated, lane, entry)
  for _, gate in ipairs(gates_of(lane)) do
    if not redis.call('ZSCORE', gated, 'k' .. gate.id .. entry) then return false end
  end
  return true
end

-- what has begun so long ago that it counts for nothing; returns whether there is more
local function forget_begun(gated, id, per)
  local most = 100
  local before = '(b' .. id .. string.format('%015d', math.max(NOW - 2 * per, 0))
  local old = redis.call('ZRANGE', gated, '[b' .. id, before, 'BYLEX', 'LIMIT', 0, most)
  in_chunks('ZREM', gated, old)
  return #old == most
end

-- An execution that was taken begins now: it counts as begun at a rate, and no longer as taken.
local function begin(gated, gate_times, lane, entry)
  for _, gate in ipairs(gates_of(lane)) do
    if gate.is_rate then
      -- the clock of this moment may be behind that by which others have begun
      local last = redis.call('ZRANGE', gated, '[' .. begun_at(gate, NOW + gate.per) .. '\255', '[b' .. gate.id, 'BYLEX', 'REV',
        'LIMIT', 0, 1)[1]
      local at = math.max(NOW, last and time_begun(last) or 0)
      mutate('ZREM', gated, 'k' .. gate.id .. entry)
      mutate('ZADD', gated, 0, begun_at(gate, at) .. string.sub(redis.sha1hex(entry), 1, 16))
      forget_begun(gated, gate.id, gate.per)
      mutate('ZADD', gate_times, 'NX', decimal(NOW + 2 * gate.per + 1), 'x' .. gate.id .. string.format('%015d', gate.per))
    end
  end
end

-- gates of rates that have room again, and those that may forget
local function look_at_times(gated, gate_times)
  local members = redis.call('ZRANGE', gate_times, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 100)
  for _, member in ipairs(members) do
    local id = string.sub(member, 2, 18)
    local what = string.sub(member, 1, 1)
    if what == 'r' then
      mutate('ZREM', gate_times, member)
      pass_on(gated, id, {})
    elseif what == 'c' then
      mutate('ZREM', gate_times, member)
      in_chunks('ZREM', gated, beginning_with(gated, 'c' .. id))
      pass_on(gated, id, {})
    elseif string.sub(id, 1, 1) ~= 'r' then
      local at = change_account(gated, { id = id, per = tonumber(string.sub(member, 19)) }, 0, 0)
      if at then mutate('ZADD', gate_times, decimal(at + 1), member) else mutate('ZREM', gate_times, member) end
    else
      local per = tonumber(string.sub(member, 19))
      local is_left = forget_begun(gated, id, per)
      if is_left or beginning_with(gated, 'b' .. id, 1)[1] then
        mutate('ZADD', gate_times, decimal(is_left and NOW or NOW + 2 * per + 1), member)
      else
        mutate('ZREM', gate_times, member)
      end
    end
  end
end

-- when something may begin at a rate again; what only forgets is looked at beside
local function next_room(gate_times)
  local found = redis.call('ZRANGE', gate_times, '(' .. NOW, '+inf', 'BYSCORE', 'LIMIT', 0, 10, 'WITHSCORES')
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, 1) == 'r' then return tonumber(found[i + 1]) end
  end
  return #found == 20 and tonumber(found[20]) or nil
end
