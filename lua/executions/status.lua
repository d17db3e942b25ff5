-- Read the status of a run alone.
--
-- Reply  the status, or nil
-- Leaves everything as it was.

--- @include lib/run_head

--- @keys run index
return status_of(run, index)
