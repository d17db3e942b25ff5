-- Let another release serve a run that is not over: what waits in its queues goes to those of that release, what workers
-- hold stays theirs, and is named anew.
--
-- KEYS   due: runs by time; ready, queued, lost: executions (see lib/schedule); turns: from which run of a queue something was
--        taken last; gated, gate_times: executions with limits (see lib/gates)
-- ARGV   run_id: as it stands in `due`; launch, version: of the run as it was read; next_launch: with the other release; left:
--        entries of its executions that wait or are held, by the queues of the old release; joined: the same by those of the
--        new one; due_at: from when on each may be taken (ms), '' for what is held; aside: before which letters
--        they stand while they are paused (see lib/pauses); queues: of the old release; messages: of what waits now
-- Reply  WON | LOST (the run is over) | NOT_FOUND | AGAIN (there was a decision since it was read, or it was moved)
-- Leaves every entry of the run in a queue of the other release. A transition of the run as it was before is lost: a
--        decision by the version, a fact by the number of moves.

--- @include lib/replies
--- @include lib/announce
--- @include lib/key_types
--- @include lib/run_head
--- @include lib/worker_loss

local AGAIN = -5

--- @keys run index meta due ready queued lost turns gated gate_times channel
--- @args run_id launch version next_launch left* joined* due_at* aside* queues* messages*
local status, stored, decided, recorded, moves =
  unpack(redis.call('HMGET', run, 'status', 'launch', 'version', 'recorded', 'moves'), 1, 5)
if not checked_status(run, index, status) then return NOT_FOUND end
if TERMINAL[status] then return LOST end
if stored ~= launch or (decided or '') ~= version then return AGAIN end
local decisions, moved = number_at(run, 'version', decided), number_at(run, 'moves', moves)
expect_sorted_sets(due, ready, queued, gated, gate_times)
expect_hashes(lost, turns)
read_clock(meta)

local gone, come, times_gone, times, losses_gone, losses = {}, {}, {}, {}, {}, {}
local not_gated, in_lanes, lanes, freed, opened = {}, {}, {}, {}, {}
local places = { 'w', 's', 'o', unpack(aside) }
local elsewhere = {}  -- by entry: those that do not wait in their queue
for i, entry in ipairs(left) do
  local waits = false
  for _, place in ipairs(places) do
    if redis.call('ZSCORE', queued, place .. entry) then
      gone[#gone + 1], come[#come + 1] = place .. entry, place .. joined[i]
      waits = true
    end
  end
  local lane, next_lane = lane_of(entry), lane_of(joined[i])
  if lane then
    lanes[lane.name] = lane
    for _, kind in ipairs({ 'v', 't' }) do
      if redis.call('ZSCORE', gated, kind .. entry) then
        not_gated[#not_gated + 1] = kind .. entry
        put_in_lane(kind, next_lane, joined[i], in_lanes)
        waits = true
      end
    end
  end
  -- what is overdue waits, and is held
  if not waits or due_at[i] == '' then elsewhere[entry], elsewhere[#elsewhere + 1] = i, entry end
  local how = redis.call('HGET', lost, entry)
  if how then
    losses_gone[#losses_gone + 1] = entry
    losses[#losses + 1], losses[#losses + 2] = joined[i], how
  end
end
-- what a worker holds counts on, by its new name; at a rate it does so no longer, once it has begun
local function rename_counted(entry, new)
  local lane = lane_of(entry)
  for _, gate in ipairs(lane and gates_of(lane) or {}) do
    local before = 'k' .. gate.id
    if redis.call('ZSCORE', gated, before .. entry) then
      not_gated[#not_gated + 1], in_lanes[#in_lanes + 1] = before .. entry, before .. new
    end
  end
end

-- what is elsewhere may be held, by any worker
local is_held = {}
for _, member in ipairs(#elsewhere > 0 and redis.call('ZRANGE', queued, '[h', '(i', 'BYLEX') or {}) do
  local holder, entry = string.match(member, '^(h%Z*%z.)(.*)$')
  if holder and elsewhere[entry] then
    gone[#gone + 1], come[#come + 1] = member, holder .. joined[elsewhere[entry]]
    is_held[entry] = true
    rename_counted(entry, joined[elsewhere[entry]])
  end
end
-- What a worker has taken, and can claim no more, waits at once. Only what is held, or waits for its time, has one here.
for _, entry in ipairs(elsewhere) do
  local i = elsewhere[entry]
  local at, new = redis.call('ZSCORE', ready, entry), joined[i]
  local is_limited = redis.call('ZSCORE', queued, 'l' .. entry)
  if at then times_gone[#times_gone + 1] = entry end
  if is_limited then gone[#gone + 1] = 'l' .. entry end
  if at and not is_held[entry] and due_at[i] ~= '' and tonumber(due_at[i]) <= NOW then
    local lane, is_lost = lane_of(new), is_suspect(lost, entry)
    if lane then
      uncount(gated, lane_of(entry), entry, not_gated, freed)
      put_in_lane(is_lost and 't' or 'v', lane, new, in_lanes)
    else
      come[#come + 1] = (is_lost and 's' or 'w') .. new
    end
  elseif at then
    times[#times + 1], times[#times + 2] = at, new
    if is_limited then come[#come + 1] = 'l' .. new end
    -- one that was lost may have been taken, and counts until it is taken again
    if not is_held[entry] then rename_counted(entry, new) end
  end
end

in_chunks('ZREM', queued, gone)
in_chunks('ZADD', queued, scored(come))
in_chunks('ZREM', ready, times_gone)
in_chunks('ZADD', ready, times)
in_chunks('HDEL', lost, losses_gone)
in_chunks('HSET', lost, losses)
in_chunks('ZREM', gated, not_gated)
in_chunks('ZADD', gated, scored(in_lanes))
pass_all_on(gated, freed, opened)
for _, lane in pairs(lanes) do
  for _, kind in ipairs({ 'v', 't' }) do forget_lane(gated, gate_times, turns, kind, lane) end
end
for _, queue in ipairs(queues) do
  if not beginning_with(queued, 'w' .. queue, 1)[1] then mutate('HDEL', turns, queue) end
end
mutate('HSET', run, 'launch', next_launch, 'moves', numeral(moved + 1), 'version', numeral(decisions + 1))
if recorded and number_in(recorded) == decisions then mutate('HSET', run, 'recorded', numeral(decisions + 1)) end
-- one that is pending has nothing in a queue, and begins at its time
if status == 'running' then mutate('ZADD', due, NOW, run_id) end
announce(channel, run_id .. ' due')
announce_each(channel, messages)
announce_queues(channel, opened)
return WON
