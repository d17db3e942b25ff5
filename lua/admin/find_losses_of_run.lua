-- What the keys of a run have lost.
--
-- Reply  {{key, what is wrong with it} of each, parts: if a fleet must go on with the run, the parts of its core (see
--        lib/run_parts), and its executions}
-- Leaves everything as it was.

--- @include lib/losses_of_run
--- @include lib/run_parts

find_losses()
local parts = {}
if must_go_on() then
  parts = { read_core(run, frames, loops, outputs, failures, index), fields(executions) }
end
return { losses, parts }
