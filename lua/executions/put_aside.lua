-- Put aside executions of a paused run that a worker has taken from the schedule, and must not begin.
--
-- ARGV   run_id: of the run; scopes: its mob, and its mob and flow, as queues name them; taken: what is to be put aside
-- Reply  WON | LOST (the run is not paused any more) | NOT_FOUND
-- Leaves those that are as the caller has read them where no worker looks, and in their queues, or lanes, if it is the
--        mob that is paused. How they were lost is kept. What counted them has room again.

--- @include lib/announce
--- @include lib/key_types
--- @include lib/pauses
--- @include lib/replies
--- @include lib/status
--- @include lib/worker_loss

-- an execution: its entry in the schedule, its field among those of its run, its record, and where it stands by that
local function take_taken()
  return { entry = take(), field = take(), expected = take(), place = take() }
end

--- @keys run index executions meta pauses ready queued lost gated channel
--- @args run_id scopes* taken:taken*
if not status_of(run, index) then return NOT_FOUND end
local paused = redis.call('HGET', run, 'paused')
local any = read_clock_and_pauses(meta)
local hold = (paused or any) and hold_of(pauses, paused, run_id, scopes)
if not (hold and hold.is_paused) then return LOST end
expect_sorted_sets(ready, queued, gated)
expect_hashes(executions, lost)

local entries, gone, aside, not_gated, in_lanes, freed, opened = {}, {}, {}, {}, {}, {}, {}
for _, one in ipairs(taken) do
  -- one that was claimed since is as another worker left it; one that its worker still has is not taken from that
  local is_held = one.place ~= 'w' and redis.call('ZSCORE', queued, one.place .. one.entry)
  if not is_held and redis.call('HGET', executions, one.field) == one.expected then
    local is_lost, lane = is_suspect(lost, one.entry), lane_of(one.entry)
    entries[#entries + 1] = one.entry
    for _, before in ipairs({ 'w', 's', 'l' }) do gone[#gone + 1] = before .. one.entry end
    if lane then
      uncount(gated, lane, one.entry, not_gated, freed)
      not_gated[#not_gated + 1], not_gated[#not_gated + 2] = 'v' .. one.entry, 't' .. one.entry
    end
    if lane and not hold.place then
      put_in_lane(is_lost and 't' or 'v', lane, one.entry, in_lanes)
    else
      aside[#aside + 1] = (hold.place or is_lost and 's' or 'w') .. one.entry
    end
  end
end
in_chunks('ZREM', ready, entries)
in_chunks('ZREM', queued, gone)
in_chunks('ZADD', queued, scored(aside))
in_chunks('ZREM', gated, not_gated)
in_chunks('ZADD', gated, scored(in_lanes))
pass_all_on(gated, freed, opened)
announce_queues(channel, opened)
return WON
