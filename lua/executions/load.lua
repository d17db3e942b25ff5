-- Read the core of one run with its executions, and the time.
--
-- Reply  nil, or {now in microseconds, parts of the core (see lib/run_parts), executions}
-- Leaves everything as it was.

--- @include lib/fleet_clock
--- @include lib/run_head
--- @include lib/run_parts

--- @keys run frames loops outputs failures index executions meta
if not run_exists(run, index) then return nil end

return { decimal(fleet_now(meta)), read_core(run, frames, loops, outputs, failures, index), fields(executions) }
