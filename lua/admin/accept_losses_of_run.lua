-- Accept what the keys of a run have lost: from then on it counts as never written.
--
-- Reply  {key, what was wrong with it} of each
-- Leaves the counts of the run at what is there, and its index with a field; of a run without its hash nothing, and not
--        its place. Nothing changes if nothing is missing.

--- @include lib/counters
--- @include lib/key_types
--- @include lib/losses_of_run
--- @include lib/mutate

local found, exists, place = find_losses()
if #found == 0 then return found end
if exists then
  mutate('HSETNX', index, 'created', 1)
  mutate('HSETNX', run, COUNTED, 1)
  local counts = counts_of(MEASURED)
  count_fields = {}  -- the counts are set, and not counted themselves
  mutate('HSET', run, unpack(counts))
  return found
end
expect_sorted_sets(due)
local lost = number_at(meta, 'runs_lost') + 1
mutate('ZREM', due, run_id)
if place then
  mutate('ZREM', runs, place)
  mutate('HSET', meta, 'runs_lost', decimal(lost))
end
mutate('DEL', frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index, executions)
return found
