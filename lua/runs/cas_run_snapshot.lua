-- Change the status and the flow state of a run together.
--
-- Reply  WON | LOST
-- Leaves both at their next value and the inputs appended; nothing when lost.

--- @include lib/replies
--- @include lib/change
--- @include lib/status

--- @keys run index runs_by_status inputs
--- @args expected_status next_status run_change:change new_inputs*
if not may_change(run, index, expected_status) then return LOST end
if not matches(run, run_change) then return LOST end
local place = indexed_place(run, runs_by_status)

in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
set_status(run, runs_by_status, place, next_status)
return WON
