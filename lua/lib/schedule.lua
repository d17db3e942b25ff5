-- What must happen when. `due` is a sorted set of runs by the time at which each must be looked at. `ready` is one of the
-- entries of executions by the time before which none is taken. `queued` says in which state an execution is, by a
-- letter before its entry: 'w' waits to be taken; 's' waits as a suspect; 'h', followed by the worker, a zero byte, and
-- 's' for a suspect or else '-', is held by that worker; 'o' is overdue: its worker has held it for too long, and it waits to
-- be ended; 'l' counts against the limit of its role; both are there beside one of the others. 'p' stands aside, as
-- lib/pauses says. The members of `queued` are in lexical order. An entry begins with its queue, its rank and the id of its
-- run (see codec/schedule.py, decision 0023). One that has limits waits in `gated` instead (lib/gates).
-- Times are milliseconds of the fleet's clock.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/chunks
--- @include lib/counters
--- @include lib/fleet_clock
--- @include lib/gates
--- @include lib/lexical_order
--- @include lib/mutate

-- A time that ends in a half is that of a run which a worker has in hand: until then it is not due for others.
local IN_HAND = 0.5

-- A time that ends in a quarter is that of a run of which something was reported. Its leader, the worker that was last
-- asked to look at it and has lost no decision since, has the run as it is: others leave it to that one for a moment, or
-- both would decide and one of them would lose.
local REPORTED = 0.25

-- A time in `ready` that ends in a half is that of an execution which a worker has claimed: from the next millisecond on it
-- is overdue.
local CLAIMED = 0.5

local function is_in_hand(key, member)
  local at = tonumber(redis.call('ZSCORE', key, member) or 0)
  return at % 1 == IN_HAND and at > NOW
end

-- an empty time takes the member out
local function take_time()
  return { member = take(), at = take() }
end

-- whether workers should look at the schedule: they look every second by themselves
local function is_soon(time)
  return time.at ~= '' and tonumber(time.at) < NOW + 1000
end

local function set_time(key, time)
  if time.at == '' then
    mutate('ZREM', key, time.member)
  else
    mutate('ZADD', key, time.at, time.member)
  end
end

-- to be added to a sorted set in lexical order
local function scored(members)
  local flat = {}
  for i, member in ipairs(members) do
    flat[2 * i - 1], flat[2 * i] = 0, member
  end
  return flat
end

-- Where an execution stood before a commit, and where it stands after it: '' for nowhere, 'w' where it waits, else what
-- stands before the entry if a worker holds it. It waits from a time on, or is taken from a worker after it. How it is
-- bounded: 1 if its role has a limit, 2 if it has limits of its own, 3 for both; and 4 more if it says how many units went
-- in and came out ('' for both if that is not known), and until when its rates are closed ('' if they are not).
local function take_move()
  local move = { entry = take(), from = take(), to = take(), at = take() }
  local bounds = tonumber(take())
  move.is_limited, move.has_gates = bounds % 2 == 1, bounds % 4 >= 2
  if bounds < 4 then return move end
  local given, made, closed_at = tonumber(take()), tonumber(take()), tonumber(take())
  if given and made then move.used = { i = given, o = made, u = given + made } end
  move.closed_until = closed_at
  return move
end

-- how an execution was lost, as lib/worker_loss says
local function loss_record(letter, at, id, host)
  return letter .. ' ' .. decimal(at) .. ' ' .. id .. '\0' .. host .. '\n'
end

-- A worker that was let go of while it decided may still commit: what it claims then is handed on at once. `lost` names
-- such workers behind a 'g'; it is nil where it was found to be empty. All that one commit claims is mostly for one worker,
-- which is looked up once.
local function finder_of_gone(lost)
  if not lost then return function() return false end end
  local gone = {}
  return function(id)
    if gone[id] == nil then gone[id] = redis.call('HEXISTS', lost, 'g' .. id) == 1 end
    return gone[id]
  end
end

-- whether a worker gets one that it did not hold before
local function any_begins(moves)
  for _, move in ipairs(moves) do
    if string.byte(move.to) == 104 and move.to ~= move.from then return true end  -- 'h'
  end
  return false
end

local function holder_of(move)
  return string.match(move.to, '^h(%Z*)')
end

-- Whether all that is claimed was taken. What a worker was given and does not claim in time waits again, so that it may come
-- too late for an execution that is bounded: others may have its place.
local function may_claim(queued, gated, limits, lost, moves)
  local is_gone, late = finder_of_gone(lost), {}
  for _, move in ipairs(moves) do
    local entry, holder = move.entry, (move.has_gates or move.is_limited) and holder_of(move)
    if holder and not is_gone(holder) then
      if move.has_gates and not is_counted(gated, lane_of(entry), entry) then return false end
      if move.is_limited and not redis.call('ZSCORE', queued, 'l' .. entry) then
        local role = string.sub(entry, 1, part_end(entry, part_end(entry, 1) + 1))
        late[role] = (late[role] or 0) + 1
      end
    end
  end
  for role, number in pairs(late) do
    local limit = redis.call('HGET', limits, role)
    if limit then
      --- @include lib/damage
      local most = number_in(limit) or damaged(limits, 'a limit is no number: ' .. string.sub(limit, 1, 40))
      if redis.call('ZLEXCOUNT', queued, '[l' .. role, '[l' .. role .. '\255') + number > most then return false end
    else
      expect_whole('HLEN', limits)
    end
  end
  return true
end

-- adds to the lists for `gated`, and to the gates that have room again, what one move changes there
local function move_gated(gated, move, is_held, is_waiting, changes)
  local lane = lane_of(move.entry)
  if is_held then
    changes.begun[#changes.begun + 1] = { lane = lane, entry = move.entry }
  elseif move.from ~= '' then
    -- only what a worker has held has begun
    local used = string.byte(move.from) == 104 and (move.used or {}) or nil  -- 'h'
    uncount(gated, lane, move.entry, changes.gone, changes.freed, used)
  end
  if move.from ~= '' then
    changes.gone[#changes.gone + 1], changes.gone[#changes.gone + 2] = 'v' .. move.entry, 't' .. move.entry
  end
  if is_waiting then put_in_lane('v', lane, move.entry, changes.places) end
  if move.closed_until then changes.closed[#changes.closed + 1] = { lane = lane, at = move.closed_until } end
end

-- returns the queues in which limits have room again
local function change_gated(gated, gate_times, changes)
  local opened = {}
  in_chunks('ZREM', gated, changes.gone)
  in_chunks('ZADD', gated, scored(changes.places))
  for _, one in ipairs(changes.begun) do begin(gated, gate_times, one.lane, one.entry) end
  for _, one in ipairs(changes.closed) do
    for _, gate in ipairs(gates_of(one.lane)) do
      if gate.per > 0 then close_until(gated, gate_times, gate, one.at) end
    end
  end
  pass_all_on(gated, changes.freed, opened)
  return opened
end

-- Returns the queues in which limits have room again, as keys of a table. `moves.handed_on` is true afterwards if something
-- was claimed for a worker that is gone, and handed on. `hold` says where those that wait stand if
-- something is paused, as lib/pauses makes it.
local function make_moves(ready, queued, lost, gated, gate_times, moves, hold)
  local not_ready, not_queued, times, places, handed_on = {}, {}, {}, {}, {}
  local is_gone = finder_of_gone(lost)
  local changes
  for _, move in ipairs(moves) do
    local entry, to = move.entry, move.to
    if move.from ~= '' then
      not_ready[#not_ready + 1] = entry
      not_queued[#not_queued + 1], not_queued[#not_queued + 2] = 'w' .. entry, 's' .. entry
      if move.from ~= 'w' then not_queued[#not_queued + 1], not_queued[#not_queued + 2] = move.from .. entry, 'o' .. entry end
      for _, place in ipairs(hold and hold.places or {}) do not_queued[#not_queued + 1] = place .. entry end
    end
    local holder = holder_of(move)
    local is_held = holder ~= nil
    if is_held and is_gone(holder) then
      handed_on[#handed_on + 1], handed_on[#handed_on + 2] = entry, loss_record('l', NOW, holder, '')
      is_held, to, move.at = false, 'w', 0
    end
    -- also where its run knows of no limit: the role may have got one since
    if move.from ~= '' and not is_held then not_queued[#not_queued + 1] = 'l' .. entry end
    if is_held then
      times[#times + 1], times[#times + 2] = move.at - CLAIMED, entry
    elseif to == 'w' and tonumber(move.at) > NOW then
      times[#times + 1], times[#times + 2] = move.at, entry
    end
    local is_waiting = to == 'w' and tonumber(move.at) <= NOW
    local aside = is_waiting and hold and hold.place
    if is_held then
      places[#places + 1] = to .. entry
      if move.is_limited then places[#places + 1] = 'l' .. entry end
    elseif aside then
      places[#places + 1] = aside .. entry
    elseif is_waiting and not move.has_gates then
      places[#places + 1] = 'w' .. entry
    end
    if move.has_gates then
      changes = changes or { gone = {}, places = {}, freed = {}, begun = {}, closed = {} }
      move_gated(gated, move, is_held, is_waiting and not aside, changes)
    end
  end
  in_chunks('ZREM', ready, not_ready)
  in_chunks('ZREM', queued, not_queued)
  if lost then in_chunks('HDEL', lost, not_ready) end
  in_chunks('HSET', lost, handed_on)
  in_chunks('ZADD', ready, times)
  in_chunks('ZADD', queued, scored(places))
  moves.handed_on = #handed_on > 0
  return changes and change_gated(gated, gate_times, changes) or {}
end
