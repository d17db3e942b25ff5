-- What the keys of a run have lost.
--
-- Reply  {{key, what is wrong with it} of each, parts: if a fleet must go on with the run, the parts of the run as get_run
--        gives them, and its executions}
-- Leaves everything as it was.

--- @include lib/losses_of_run
--- @include lib/run_parts

find_losses()
local parts = {}
if must_go_on() then
  local sizes = { redis.call('HLEN', index) }
  parts = { read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, sizes),
    fields(executions) }
end
return { losses, parts }
