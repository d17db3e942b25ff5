-- Resume a run.
--
-- ARGV   run_id: of the run; scopes: its mob, and its mob and flow, as queues name them
-- Reply  WON | EXISTS (it was not paused) | LOST (it is over) | NOT_FOUND
-- Leaves it going on unless its flow or its mob is paused: what it had aside is in its queues, or aside with its flow. All
--        workers are woken.

--- @include lib/announce
--- @include lib/bringing_back
--- @include lib/key_types
--- @include lib/replies
--- @include lib/status

--- @keys run index meta pauses queued lost gated channel
--- @args run_id scopes*
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end
if redis.call('HEXISTS', run, 'paused') == 0 then return EXISTS end
expect_hashes(lost, pauses)
expect_sorted_sets(queued, gated)
local any = read_clock_and_pauses(meta)
local hold = any and hold_of(pauses, nil, run_id, scopes) or {}

local before = 'pr' .. run_id
local members = beginning_with(queued, before)
mutate('HDEL', run, 'paused')
if hold.place then
  local aside = {}
  for i, member in ipairs(members) do aside[i] = hold.place .. string.sub(member, #before + 1) end
  in_chunks('ZREM', queued, members)
  in_chunks('ZADD', queued, scored(aside))
else
  bring_back(queued, lost, gated, members, before)
end
announce(channel, '')
return WON
