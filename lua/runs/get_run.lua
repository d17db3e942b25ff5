-- Read one run with everything that belongs to it, at one moment.
--
-- Reply  nil, or one array for each of the first nine keys: fields and values of a hash, or the items of a list; then
--        the size of the index in an array
-- Leaves everything as it was.

--- @include lib/run_head
--- @include lib/run_parts

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index
if not run_exists(run, index) then return nil end

return read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index)
