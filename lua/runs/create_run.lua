-- Create a run with everything that belongs to it.
--
-- ARGV   prefix: of its place among the runs; parts: one list for each of the first ten keys
-- Reply  WON | EXISTS
-- Leaves the run at the end of the runs of its flow; nothing if it existed.

--- @include lib/replies
--- @include lib/run_creation
--- @include lib/run_head

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs
--- @keys runs_by_status
--- @args run_id prefix parts:list*
if run_exists(run, index) then return EXISTS end

local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
return WON
