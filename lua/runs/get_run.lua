-- Read one run with everything that belongs to it, at one moment.
--
-- Reply  nil, or one array for each key: fields and values of a hash, or the items of a list
-- Leaves everything as it was.

--- @include lib/run_parts

--- @keys run frames loops outputs steps step_outputs failures iterations inputs
if redis.call('EXISTS', run) == 0 then return nil end

return read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs)
