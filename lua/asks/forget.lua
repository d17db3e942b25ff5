-- Take out asks of a run that is over or gone. Commits do so; what ends a run otherwise leaves them (decision 0042).
--
-- ARGV   places: of asks of this run
-- Reply  WON | LOST (the run is under way)
-- Leaves them pending no more.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/replies
--- @include lib/run_head

--- @keys run index meta asks
--- @args places*
local status = status_of(run, index)
if status and not TERMINAL[status] then return LOST end
in_chunks('ZREM', asks, places)
return WON
