-- Read one run with its executions, and the time.
--
-- Reply  nil, or {now in microseconds, parts of the run as get_run gives them, executions}
-- Leaves everything as it was.

--- @include lib/fleet_clock
--- @include lib/run_head
--- @include lib/run_parts

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index executions meta
if not run_exists(run, index) then return nil end

local sizes = { redis.call('HLEN', index) }
local parts = read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, sizes)
return { decimal(fleet_now(meta)), parts, fields(executions) }
