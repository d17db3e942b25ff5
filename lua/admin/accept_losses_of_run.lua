-- Accept what the keys of a run have lost: from then on it counts as never written.
--
-- ARGV   cancel: 1 if the run lacks what it cannot go on without, else 0
-- Reply  {key, what was wrong with it} of each
-- Leaves the counts of the run as the records that remain give them, its index with a field, no time of an execution that
--        is gone, and the request to cancel it if it cannot go on. A run without its hash is deleted but for its events: a
--        new run of its id tells its own end. Nothing changes if nothing is missing.

--- @include lib/chunks
--- @include lib/clock
--- @include lib/counters
--- @include lib/key_types
--- @include lib/losses_of_run
--- @include lib/mutate
--- @include lib/run_index

--- @args cancel
local found, exists, rest = find_losses()
local cannot_go_on = cancel == '1' and must_go_on()
if #found == 0 and not cannot_go_on then return found end
if exists then
  expect_hashes(index)
  local not_ready, not_queued, not_gated = find_unexecuted(ready), find_unexecuted(queued), find_unexecuted(gated)
  if cannot_go_on then
    mutate('ZADD', due, 0, run_id)
    mutate('HSETNX', run, 'cancel_requested_at', now())
  end
  in_chunks('ZREM', ready, not_ready)
  in_chunks('ZREM', queued, not_queued)
  in_chunks('ZREM', gated, not_gated)
  in_chunks('HDEL', lost, not_ready)
  mutate('HSETNX', index, 'created', 1)
  mutate('HSETNX', run, COUNTED, 1)
  local counts = counts_of(MEASURED)
  count_fields = {}  -- the counts are set, and not counted themselves
  mutate('HSET', run, unpack(counts))
  return found
end
local lost = number_at(meta, 'runs_lost') + 1
mutate('ZREM', due, run_id)
in_chunks('ZREM', ready, rest.ready)
in_chunks('ZREM', queued, rest.queued)
in_chunks('ZREM', gated, rest.gated)
in_chunks('HDEL', lost, rest.lost)
in_chunks('HDEL', event_identities, rest.identities)
if rest.place then
  mutate('ZREM', runs, rest.place)
  mutate('ZREM', runs_by_status, unpack(other_places(nil, string.sub(rest.place, -END_OF_PLACE))))
  mutate('HSET', meta, 'runs_lost', decimal(lost))
end
mutate('DEL', frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index, executions,
  published)
return found
