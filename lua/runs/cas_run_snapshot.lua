-- Change the status and the flow state of a run together.
--
-- KEYS   1 run   2 authority inputs
-- ARGV   expected status, next status, change of the run, list of inputs
-- Reply  WON | LOST
-- Leaves both at their next value and the inputs appended; nothing when lost.

--- @include lib/replies
--- @include lib/change
--- @include lib/status

local expected, next_status, run, inputs = take(), take(), take_change(), take_list()
if not may_change(KEYS[1], expected) then return LOST end
if not matches(KEYS[1], run) then return LOST end

write(KEYS[1], run)
set_status(KEYS[1], next_status)
in_chunks('RPUSH', KEYS[2], inputs)
return WON
