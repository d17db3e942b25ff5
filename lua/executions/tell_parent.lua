-- Tell the parent of a run that this is over: it gets a signal, which waits for a decision among its executions.
--
-- KEYS   due: runs by time; parent, parent_index, parent_executions: of the run that is told
-- ARGV   member, parent_member: the run and its parent in the order by time; told: the field of the parent's index that says
--        that it knows the end of this run; signal: its record
-- Reply  WON (the parent knows now, or knew before, or is over or gone) | LOST (the run is not over) | NOT_FOUND (there is
--        no such run)
-- Leaves the signal behind all that were sent before, once, and the parent due, unless a worker has it in hand, which is told
--        by the count of reports. The run is due no more, and may be deleted from then on.

--- @include lib/replies
--- @include lib/announce
--- @include lib/status
--- @include lib/schedule
--- @include lib/key_types

--- @keys run index parent parent_index parent_executions meta due channel
--- @args member parent_member told signal
local status = status_of(run, index)
if not status then return NOT_FOUND end
if not TERMINAL[status] then return LOST end
local of_parent = status_of(parent, parent_index)
local is_new = of_parent and not TERMINAL[of_parent] and redis.call('HEXISTS', parent_index, told) == 0
local sent, reports = 0, 0
if is_new then
  expect_whole('HLEN', parent_index)
  sent, reports = number_at(parent, 'signals'), number_at(parent, 'reports')
  -- a number that is gone would give one again
  if sent == 0 then expect_whole('HLEN', parent) end
  expect_hashes(parent_executions)
end
expect_sorted_sets(due)
read_clock(meta)

local wakes = is_new and of_parent == 'running' and not is_in_hand(due, parent_member)
if is_new then
  mutate('HSET', parent_executions, 's' .. decimal(sent + 1), signal)
  mutate('HSET', parent_index, told, 1)
  mutate('HSET', parent, 'signals', numeral(sent + 1), 'reports', numeral(reports + 1))
  if wakes then mutate('ZADD', due, NOW + REPORTED, parent_member) end
end
mutate('HSET', run, 'told', 1)
mutate('ZREM', due, member)
if wakes then announce(channel, parent_member .. ' due') end
return WON
