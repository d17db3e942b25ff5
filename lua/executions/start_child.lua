-- Create the run that a step with a sub-flow waits for, as start_run does it: only as long as it waits.
--
-- KEYS   parent: the run that has the step; parent_index, parent_executions: of that; the others as in start_run
-- ARGV   record: what the child knows of its parent; told: the field of the parent's index that says that it knows the end of
--        this child; field, expected: the execution of the step, and its record as the caller has read it; the others as in
--        start_run
-- Reply  WON | EXISTS | LOST (the parent does not wait for this child any more)
-- Leaves what start_run leaves, and with the run what it knows of its parent; it is paused if its parent is by itself.

--- @include lib/replies
--- @include lib/compare
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/run_start

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs definitions due limits
--- @keys runs_by_status channel tombstone parent parent_index parent_executions
--- @args launch digest definition at run_id prefix record told field expected limited* unlimited* parts:list*
if run_exists(run, index) or redis.call('EXISTS', tombstone) == 1 then return EXISTS end
if status_of(parent, parent_index) ~= 'running' then return LOST end
if redis.call('HEXISTS', parent_index, told) == 1 then return LOST end
if not is_as_read(parent_executions, expected, redis.call('HGET', parent_executions, field)) then return LOST end
expect_whole('HLEN', parent_index)
expect_start(meta, definitions, due, limits, digest)
local begins = math.max(tonumber(at) or 0, NOW)

local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
mutate('HSET', run, 'launch', launch, 'launched_at', launched_at(begins), 'recorded', numeral(0), 'parent', record)
-- what is paused with its run stays so: it was started after the children that were there were paused
local paused = redis.call('HGET', parent, 'paused')
if paused then mutate('HSET', run, 'paused', paused) end
enter_start(definitions, due, limits, channel,
  { digest = digest, definition = definition, begins = begins, run_id = run_id, limited = limited, unlimited = unlimited })
return WON
