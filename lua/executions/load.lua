-- Read one run with its executions, and the time.
--
-- Reply  nil, or {now in microseconds, parts of the run as get_run gives them, executions}
-- Leaves everything as it was.

--- @include lib/clock
--- @include lib/run_parts

--- @keys run frames loops outputs steps step_outputs failures iterations inputs executions
if redis.call('EXISTS', run) == 0 then return nil end

local parts = read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs)
return { now(), parts, fields(executions) }
