-- Let another release serve a run that is not over: what waits in its queues goes to those of that release, what workers
-- hold stays theirs, and is named anew.
--
-- KEYS   due: runs by time; ready, queued, lost: executions (see lib/schedule); turns: from which run of a queue something was
--        taken last
-- ARGV   run_id: as it stands in `due`; launch, version: of the run as it was read; next_launch: with the other release; left:
--        entries of its executions that wait or are held, by the queues of the old release; joined: the same by those of the
--        new one; queues: of the old release; messages: of what waits now
-- Reply  WON | LOST (the run is over) | NOT_FOUND | AGAIN (there was a decision since it was read, or it was moved)
-- Leaves every entry of the run in a queue of the other release. Whoever has read the run before that loses its commit:
--        a decision by the version, a fact by the number of moves.

--- @include lib/replies
--- @include lib/announce
--- @include lib/run_head
--- @include lib/schedule

local AGAIN = -5

--- @keys run index meta due ready queued lost turns channel
--- @args run_id launch version next_launch left* joined* queues* messages*
local status, stored, decided, recorded, moves =
  unpack(redis.call('HMGET', run, 'status', 'launch', 'version', 'recorded', 'moves'), 1, 5)
if not checked_status(run, index, status) then return NOT_FOUND end
if TERMINAL[status] then return LOST end
if stored ~= launch or (decided or '') ~= version then return AGAIN end
local decisions, moved = number_at(run, 'version', decided), number_at(run, 'moves', moves)
expect_sorted_sets(due, ready, queued)
expect_hashes(lost, turns)
read_clock(meta)

local new_of, not_found = {}, 0
local gone, come, times_gone, times, losses_gone, losses = {}, {}, {}, {}, {}, {}
for i, entry in ipairs(left) do
  local new = joined[i]
  new_of[entry] = new
  local is_there = false
  for letter in string.gmatch('wsl', '.') do
    if redis.call('ZSCORE', queued, letter .. entry) then
      gone[#gone + 1], come[#come + 1] = letter .. entry, letter .. new
      is_there = is_there or letter ~= 'l'
    end
  end
  if not is_there then not_found = not_found + 1 end
  local at = redis.call('ZSCORE', ready, entry)
  if at then
    times_gone[#times_gone + 1] = entry
    times[#times + 1], times[#times + 2] = at, new
  end
  local how = redis.call('HGET', lost, entry)
  if how then
    losses_gone[#losses_gone + 1] = entry
    losses[#losses + 1], losses[#losses + 2] = new, how
  end
end
-- what does not wait may be held, by any worker
local held = not_found > 0 and redis.call('ZRANGE', queued, '[h', '(i', 'BYLEX') or {}
for _, member in ipairs(held) do
  local holder, entry = string.match(member, '^(h%Z*%z.)(.*)$')
  if holder and new_of[entry] then gone[#gone + 1], come[#come + 1] = member, holder .. new_of[entry] end
end

in_chunks('ZREM', queued, gone)
in_chunks('ZADD', queued, scored(come))
in_chunks('ZREM', ready, times_gone)
in_chunks('ZADD', ready, times)
in_chunks('HDEL', lost, losses_gone)
in_chunks('HSET', lost, losses)
for _, queue in ipairs(queues) do
  if not beginning_with(queued, 'w' .. queue, 1)[1] then mutate('HDEL', turns, queue) end
end
mutate('HSET', run, 'launch', next_launch, 'moves', numeral(moved + 1), 'version', numeral(decisions + 1))
if recorded and number_in(recorded) == decisions then mutate('HSET', run, 'recorded', numeral(decisions + 1)) end
-- one that is pending has nothing in a queue, and begins at its time
if status == 'running' then mutate('ZADD', due, NOW, run_id) end
announce(channel, run_id .. ' due')
announce_each(channel, messages)
return WON
