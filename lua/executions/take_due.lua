-- Take what is due: it is hidden from other workers for a while, in which the caller works on it. Workers whose leases have
-- expired are let go of first.
--
-- KEYS   due: runs by time; ready, queued: executions (see lib/schedule); turns: from which run of a queue something was
--        taken last; limits: how many executions of a role may be under way; gated, gate_times: executions with limits of
--        their own (see lib/gates); pauses: mobs and flows that are paused
-- ARGV   max_runs, max_executions, max_suspects: greatest number of each; led: runs that the caller leads, as the glossary
--        says; patience: how long others are left to their leaders when something was reported (ms); keep: how long what is
--        taken is kept from others (ms); known_workers: which change of the workers the caller knows; prefixes: what the
--        queues begin with that the caller serves; roles: those of them that it serves, if any_role is not 1; release: its
--        own; left: what it leaves to others, as definition, role ('' for all) and release, with NUL between them
-- Reply  {now (ms), when the next run and the next execution is due and the next lease of a worker expires (ms, or '' if
--        none does), runs, executions, how each was lost ('-' if it was not), whether more wait for the caller}; or, if the
--        caller does not know the latest, {change of the workers, workers}: then nothing was taken
-- Leaves what was taken due again after that while, unless its transition says otherwise before.

--- @include lib/announce
--- @include lib/bringing_back
--- @include lib/clock_keeping
--- @include lib/damage
--- @include lib/key_types
--- @include lib/queue_parts
--- @include lib/worker_loss

local LOOKED_AT = 1000

-- executions of a flow that was resumed which one call brings back
local BROUGHT_BACK = 200

-- what stands behind the queue in an entry: the rank of a priority and the packed id of a run
local RANK, RUN = 1, 38

-- what stands before an entry that is overdue
local OVERDUE = 'o'

-- the field of `limits` that says that runs have limits of their own
local GATES = 'gates'

-- how many lanes of one queue one call looks at beside those that it takes from
local LANES = 200

--- @keys meta due ready queued workers lost turns limits gated gate_times channel pauses
--- @args max_runs led* patience max_executions max_suspects keep known_workers prefixes* any_role roles* release left*
local pausing = keep_clock(meta, 'n:pauses')
expect_sorted_sets(due, ready, queued, workers)
expect_hashes(lost, turns, limits)

local function set_of(items)
  local found = {}
  for _, item in ipairs(items) do found[item] = true end
  return found
end

-- all limits by role, read before anything is written
local function read_limits()
  local found, flat = {}, redis.call('HGETALL', limits)
  for i = 1, #flat, 2 do
    found[flat[i]] = number_in(flat[i + 1])
    if not found[flat[i]] then damaged(limits, 'a limit is no number: ' .. string.sub(flat[i + 1], 1, 40)) end
  end
  return found
end

local is_role, is_left, limit_of = set_of(roles), set_of(left), read_limits()
local uses_gates = limit_of[GATES] ~= nil

-- which mobs are paused, and the flows that were resumed and have something aside
local paused_mobs, resumed = {}, {}
if (pausing or '0') ~= '0' then
  for _, field in ipairs(redis.call('HKEYS', pauses)) do
    local kind, scope = string.sub(field, 1, 1), string.sub(field, 2)
    if kind == 'm' then paused_mobs[scope] = true elseif kind == 'b' then resumed[#resumed + 1] = scope end
  end
  expect_whole('HLEN', pauses)
end

local function let_go_of_expired()
  local number, opened = 0, {}
  local expired = redis.call('ZRANGE', workers, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')
  for i = 1, #expired, 2 do
    number = number + let_go(meta, workers, queued, ready, lost, gated, expired[i], tonumber(expired[i + 1]), false, opened)
  end
  if number > 0 then announce(channel, '') end
end

-- what has waited for its time waits to be taken; an entry of an older release makes its run due, which enters it anew
local function queue_due()
  local found = redis.call('ZRANGE', ready, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, LOOKED_AT, 'WITHSCORES')
  if #found == 0 then return end
  local entries, waiting, gone, in_lanes, not_gated, freed = {}, {}, {}, {}, {}, {}
  for i = 1, #found, 2 do
    local entry = found[i]
    entries[#entries + 1] = entry
    if string.byte(entry) == 0 then
      local lane = uses_gates and lane_of(entry)
      if found[i + 1] % 1 == CLAIMED then
        waiting[#waiting + 1] = 'o' .. entry
      elseif lane then
        put_in_lane(is_suspect(lost, entry) and 't' or 'v', lane, entry, in_lanes)
        uncount(gated, lane, entry, not_gated, freed)
      else
        waiting[#waiting + 1] = (is_suspect(lost, entry) and 's' or 'w') .. entry
      end
      gone[#gone + 1] = 'l' .. entry
    else
      local run_id = string.match(entry, '\217\36(' .. string.rep('[%x-]', 36) .. ')')
      if run_id then mutate('ZADD', due, NOW, run_id) end
    end
  end
  in_chunks('ZREM', ready, entries)
  in_chunks('ZADD', queued, scored(waiting))
  in_chunks('ZREM', queued, gone)
  in_chunks('ZADD', gated, scored(in_lanes))
  in_chunks('ZREM', gated, not_gated)
  pass_all_on(gated, freed, {})
end

-- the runs that are taken, and when the first of them is that is left to its leader
local function take_runs(limit)
  local taken, first_left, leads = {}, nil, set_of(led)
  local found = {}
  if limit > 0 then
    found = redis.call('ZRANGE', due, '-inf', NOW + REPORTED, 'BYSCORE', 'LIMIT', 0, LOOKED_AT, 'WITHSCORES')
  end
  for i = 1, #found, 2 do
    local run_id, at = found[i], tonumber(found[i + 1])
    if #taken >= limit then break end
    if at % 1 == REPORTED and at - REPORTED + patience > NOW and not leads[run_id] then
      first_left = first_left or at + patience
    else
      taken[#taken + 1] = run_id
    end
  end
  for _, run_id in ipairs(taken) do mutate('ZADD', due, NOW + keep + IN_HAND, run_id) end
  return taken, first_left
end

-- the queue that a member is in, and whether the caller serves it
local function queue_of(member)
  local ends, at = {}, 1
  for i = 1, QUEUE_PARTS do
    at = part_end(member, at + 1)
    ends[i] = at
  end
  local function part(i)
    return string.sub(member, (ends[i - 1] or 1) + 5, ends[i])
  end
  local function left_to_others(of_role)
    return is_left[part(4) .. '\0' .. of_role .. '\0' .. part(3)]
  end
  local is_served = (any_role == '1' or is_role[part(2)]) and (part(3) == '' or part(3) == release)
    and not (left_to_others('') or left_to_others(part(2)))
  return { queue = string.sub(member, 2, at), role = string.sub(member, 2, ends[2]), mob = string.sub(member, 2, ends[1]),
    is_served = is_served }
end

-- Adds the queues that the caller serves and in which something waits. Others are stepped over, each at once, and all of a
-- mob that is paused, unless what waits is overdue.
local function find_served(key, letters, take_from, found)
  for _, prefix in ipairs(prefixes) do
    local member = beginning_with(key, letters .. prefix, 1)[1]
    while member do
      local one = queue_of(string.sub(member, #letters))
      local is_paused = letters ~= OVERDUE and paused_mobs[one.mob]
      if one.is_served and not is_paused then
        one.take_from, found[#found + 1] = take_from, one
      end
      member = first_behind(key, letters .. prefix, letters .. (is_paused and one.mob or one.queue))
    end
  end
end

-- how many more of a role may be at work in the whole fleet
local function room(one)
  local limit = limit_of[one.role]
  if not limit then return math.huge, false end
  return limit - redis.call('ZLEXCOUNT', queued, '[l' .. one.role, '[l' .. one.role .. '\255'), true
end

-- The next entry of a queue: of the highest priority, and of the run that comes after the one before, so that all runs get
-- their turn.
local function next_entry(key, prefix, cursor)
  local first = beginning_with(key, prefix, 1)[1]
  if not first or cursor == '' then return first end
  local level = string.sub(first, 1, #prefix + RANK)
  return first_behind(key, level, level .. cursor) or first
end

-- As take_from, of what is overdue: to end it takes no room and no turn, and no pause keeps it.
local function take_overdue(one, most, taken)
  local prefix = OVERDUE .. one.queue
  for _, member in ipairs(beginning_with(queued, prefix, most - #taken)) do
    local entry = string.sub(member, 2)
    mutate('ZREM', queued, member)
    mutate('ZADD', ready, NOW + keep - CLAIMED, entry)
    taken[#taken + 1] = entry
  end
  return beginning_with(queued, prefix, 1)[1] ~= nil
end

-- adds entries of a queue to those that are taken, up to a number in all; returns whether more could have been taken, and
-- whether the queue is empty
local function take_from(kind, one, most, taken)
  local prefix, before = kind .. one.queue, #taken
  local free, is_limited = room(one)
  local cursor = redis.call('HGET', turns, one.queue) or ''
  local member = free > 0 and next_entry(queued, prefix, cursor)
  while member and #taken < most do
    local entry = string.sub(member, 2)
    mutate('ZREM', queued, member)
    mutate('ZADD', ready, NOW + keep, entry)
    if is_limited then mutate('ZADD', queued, 0, 'l' .. entry) end
    taken[#taken + 1] = entry
    cursor = string.sub(member, #prefix + RANK + 1, #prefix + RANK + RUN)
    free = free - 1
    member = free > 0 and next_entry(queued, prefix, cursor)
  end
  if #taken > before then mutate('HSET', turns, one.queue, cursor) end
  if free > 0 then return member ~= nil, member == nil end
  return false, beginning_with(queued, prefix, 1)[1] == nil
end

-- the next lane of a queue from which something may be taken
local function next_lane(kind, one, cursor)
  local open = 'o' .. kind
  local member = cursor ~= '' and first_behind(gated, open .. one.queue, open .. cursor)
    or beginning_with(gated, open .. one.queue, 1)[1]
  return member and lane_of(string.sub(member, #open + 1))
end

-- the first gate of a lane that is full, and when it has room again, as far as that is known
local function full_gate(lane)
  for _, gate in ipairs(gates_of(lane)) do
    local full, at = is_full(gated, gate)
    if full then return gate, at end
  end
end

-- takes the next entry of a lane, or closes it
local function take_from_lane(kind, lane, is_limited, taken)
  local cursor = redis.call('HGET', turns, lane.name) or ''
  local member = next_entry(gated, kind .. lane.name, cursor)
  if not member then
    close_lane(gated, gate_times, kind, lane)
    if cursor ~= '' then mutate('HDEL', turns, lane.name) end
    return
  end
  local full, at = full_gate(lane)
  if full then
    close_lane(gated, gate_times, kind, lane, full, at)
    return
  end
  local entry = string.sub(member, 2)
  mutate('ZADD', ready, NOW + keep, entry)
  count_taken(gated, gate_times, lane, entry)
  mutate('ZREM', gated, member)
  if is_limited then mutate('ZADD', queued, 0, 'l' .. entry) end
  mutate('HSET', turns, lane.name, string.sub(entry, #lane.name + RANK + 1, #lane.name + RANK + RUN))
  taken[#taken + 1] = entry
end

-- As take_from, of executions with limits: the lanes take turns. Nothing of one that is full is looked at.
local function take_from_lanes(kind, one, most, taken)
  local before, looked_at = #taken, 0
  local free, is_limited = room(one)
  -- behind the queue as in an entry with limits: no other field ends like this
  local turn = one.queue .. string.char(LIMITED)
  local cursor = redis.call('HGET', turns, turn) or ''
  local lane = next_lane(kind, one, cursor)
  while lane and #taken < most and free - (#taken - before) > 0 and looked_at < LANES + most do
    take_from_lane(kind, lane, is_limited, taken)
    looked_at, cursor = looked_at + 1, lane.name
    lane = next_lane(kind, one, cursor)
  end
  if not beginning_with(gated, kind .. one.queue, 1)[1] then
    mutate('HDEL', turns, turn)
  elseif looked_at > 0 then
    mutate('HSET', turns, turn, cursor)
  end
  return lane ~= nil and free - (#taken - before) > 0, false
end

-- Of executions, or of suspects among them: the queues of both kinds, in turns; each call begins with another one.
local function served(kind, kind_of_lanes)
  local found, rotated = {}, {}
  find_served(queued, kind, function(...) return take_from(kind, ...) end, found)
  if uses_gates then
    find_served(gated, 'o' .. kind_of_lanes, function(...) return take_from_lanes(kind_of_lanes, ...) end, found)
  end
  for i = 1, #found do rotated[i] = found[(i + NOW) % #found + 1] end
  return rotated
end

local function take_executions(most)
  local suspects, taken, overdue, waits = {}, {}, {}, false
  local found = {}
  find_served(queued, OVERDUE, take_overdue, found)
  for _, one in ipairs(found) do waits = one.take_from(one, most, overdue) or waits end
  most = most - #overdue
  for _, one in ipairs(served('s', 't')) do one.take_from(one, math.min(most, tonumber(max_suspects)), suspects) end
  local waiting = served('w', 'v')
  most = most - #suspects
  -- each queue gets its share before one takes what is left
  local share = math.max(1, math.floor(most / math.max(#waiting, 1)))
  for _, one in ipairs(waiting) do
    if #taken < most then one.take_from(one, math.min(most, #taken + share), taken) end
  end
  for _, one in ipairs(waiting) do
    local more, is_empty = one.take_from(one, most, taken)
    if is_empty then mutate('HDEL', turns, one.queue) end
    waits = waits or more
  end
  for _, more in ipairs({ suspects, overdue }) do
    for _, entry in ipairs(more) do taken[#taken + 1] = entry end
  end
  return taken, waits
end

-- An entry that is due and was not taken is for other workers, so that only later ones are worth waiting for.
local function next_of(key)
  return redis.call('ZRANGE', key, '(' .. NOW, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2] or ''
end

expect_whole('HLEN', lost)
expect_whole('HLEN', limits)
let_go_of_expired()
local change = decimal(renewed_field(meta, 'workers_changed'))
if change ~= known_workers then return { change, redis.call('ZRANGE', workers, 0, -1) } end

if uses_gates then
  expect_sorted_sets(gated, gate_times)
  look_at_times(gated, gate_times)
end
queue_due()
local is_aside = false
for _, flow in ipairs(resumed) do
  is_aside = bring_back_some(pauses, queued, lost, gated, flow, BROUGHT_BACK) or is_aside
end
local runs, first_left = take_runs(tonumber(max_runs))
local executions, waits = take_executions(tonumber(max_executions))
waits = waits or is_aside
local how = {}
if #executions > 0 and redis.call('HLEN', lost) > 0 then how = redis.call('HMGET', lost, unpack(executions)) end
for i = 1, #executions do how[i] = how[i] or '-' end
-- A schedule that has lost entries would let runs wait for ever. While there is work it is done first: the script has
-- written already.
if mutations == 0 and not waits then
  expect_whole('ZCARD', due)
  expect_whole('ZCARD', ready)
  expect_whole('ZCARD', queued)
  if uses_gates then
    expect_whole('ZCARD', gated)
    expect_whole('ZCARD', gate_times)
  end
end
note_clock(meta)
local next_run = next_of(due)
if first_left and (next_run == '' or first_left < tonumber(next_run)) then next_run = decimal(first_left) end
local next_execution, next_gate = next_of(ready), uses_gates and next_room(gate_times)
if next_gate and (next_execution == '' or next_gate < tonumber(next_execution)) then next_execution = decimal(next_gate) end
return { NOW, next_run, next_execution, next_of(workers), runs, executions, how, waits and 1 or 0 }
