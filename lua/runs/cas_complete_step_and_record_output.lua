-- Complete a step node of one frame and record the output of its step.
--
-- KEYS   1 run   2 frames   3 outputs   4 authority inputs
-- ARGV   change of the frame, field of the output, output (JSON), field of the loop's length ('' = no loop),
--        iteration, list of inputs
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the frame at its next value, the output recorded, earlier iterations of the loop at least empty and
--        the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change
--- @include lib/outputs

local frame, output, inputs = take_change(), take_output(), take_list()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
if not matches(KEYS[2], frame) then return LOST end

write(KEYS[2], frame)
record_output(KEYS[3], output)
in_chunks('RPUSH', KEYS[4], inputs)
return WON
