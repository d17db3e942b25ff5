-- Resume a run.
--
-- ARGV   run_id: of the run; scopes: its mob, and its mob and flow, as queues name them
-- Reply  WON | EXISTS (it was not paused) | LOST (it is over) | NOT_FOUND
-- Leaves it going on unless its flow or its mob is paused: what it had aside is in its queues, or aside with its flow. All
--        workers are woken.

--- @include lib/announce
--- @include lib/key_types
--- @include lib/pauses
--- @include lib/replies
--- @include lib/status
--- @include lib/worker_loss

--- @keys run index meta pauses queued lost channel
--- @args run_id scopes*
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end
if redis.call('HEXISTS', run, 'paused') == 0 then return EXISTS end
expect_hashes(lost, pauses)
expect_sorted_sets(queued)
local any = read_clock_and_pauses(meta)
local hold = any and hold_of(pauses, nil, run_id, scopes) or {}

local before = 'pr' .. run_id
local members, waiting = beginning_with(queued, before), {}
for i, member in ipairs(members) do
  local entry = string.sub(member, #before + 1)
  waiting[i] = (hold.place or is_suspect(lost, entry) and 's' or 'w') .. entry
end
mutate('HDEL', run, 'paused')
in_chunks('ZREM', queued, members)
in_chunks('ZADD', queued, scored(waiting))
announce(channel, '')
return WON
