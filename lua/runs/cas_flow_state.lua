-- Change the flow state of a run, whatever its status.
--
-- KEYS   1 run   2 authority inputs
-- ARGV   change of the run, list of inputs
-- Reply  WON | LOST
-- Leaves the run at its next flow state and the inputs appended; nothing when lost.

--- @include lib/replies
--- @include lib/change

local run, inputs = take_change(), take_list()
if not matches(KEYS[1], run) then return LOST end

write(KEYS[1], run)
in_chunks('RPUSH', KEYS[2], inputs)
return WON
