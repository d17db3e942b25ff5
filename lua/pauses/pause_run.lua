-- Pause a run: from now on no commit begins an execution of it.
--
-- ARGV   run_id: of the run; flow: its mob and flow, as queues name them; entries: how its entries in the schedule begin;
--        limited: its entries with limits, as they were read; reason: '' for none
-- Reply  WON | EXISTS (it was paused before, and stays as it was) | LOST (it is over) | NOT_FOUND
-- Leaves it paused, and what it has waiting aside. What is overdue stays, to be ended. An entry with limits that came since
--        is put aside by the worker that takes it.

--- @include lib/announce
--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/pauses
--- @include lib/replies
--- @include lib/schedule
--- @include lib/status

--- @keys run index meta queued gated channel
--- @args run_id flow entries* limited* reason
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end
if redis.call('HEXISTS', run, 'paused') == 1 then return EXISTS end
expect_sorted_sets(queued, gated)
read_clock(meta)

local members, in_lanes, aside = {}, {}, {}
for _, entry in ipairs(entries) do
  for _, before in ipairs({ 'w', 's', 'pf' .. flow }) do
    for _, member in ipairs(beginning_with(queued, before .. entry)) do
      members[#members + 1] = member
      aside[#aside + 1] = 'pr' .. run_id .. string.sub(member, #before + 1)
    end
  end
end
for _, entry in ipairs(limited) do
  local number = #members + #in_lanes
  if redis.call('ZSCORE', queued, 'pf' .. flow .. entry) then members[#members + 1] = 'pf' .. flow .. entry end
  for _, before in ipairs({ 'v', 't' }) do
    if redis.call('ZSCORE', gated, before .. entry) then in_lanes[#in_lanes + 1] = before .. entry end
  end
  if #members + #in_lanes > number then aside[#aside + 1] = 'pr' .. run_id .. entry end
end
mutate('HSET', run, 'paused', pause_record(reason))
in_chunks('ZREM', queued, members)
in_chunks('ZREM', gated, in_lanes)
in_chunks('ZADD', queued, scored(aside))
announce(channel, run_id .. ' changed')
return WON
