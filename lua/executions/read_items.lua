-- Read what is kept of the items of steps: their values, and executions that are over.
--
-- ARGV   fields: of the index
-- Reply  nil if there is no such run, or the value of each field, false if it is not there
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/many_fields
--- @include lib/run_head

--- @keys run index
--- @args wanted*
if not run_exists(run, index) then return nil end

return values_of(index, wanted)
