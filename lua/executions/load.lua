-- Read the core of one run with its executions, and the time.
--
-- Reply  nil, or {now in microseconds, parts of the core (see lib/run_parts), executions, all that is in `pauses`}
-- Leaves everything as it was.

--- @include lib/pauses
--- @include lib/run_head
--- @include lib/run_parts

--- @keys run frames loops outputs failures index executions meta pauses
if not run_exists(run, index) then return nil end

local found = {}
if read_clock_and_pauses(meta) then
  expect_whole('HLEN', pauses)
  found = fields(pauses)
end
return { decimal(MICROSECONDS), read_core(run, frames, loops, outputs, failures, index), fields(executions), found }
