-- Finish a loop, and with it the node of its parent frame.
--
-- KEYS   1 run   2 loops   3 frames   4 authority inputs
-- ARGV   change of the run, change of the loop, change of the frame, list of inputs
-- Reply  WON | LOST | NOT_FOUND
-- Leaves all three at their next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

local run, loop, frame, inputs = take_change(), take_change(), take_change(), take_list()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
if not matches(KEYS[1], run) then return LOST end
if not matches(KEYS[2], loop) then return LOST end
if not matches(KEYS[3], frame) then return LOST end

write(KEYS[1], run)
write(KEYS[2], loop)
write(KEYS[3], frame)
in_chunks('RPUSH', KEYS[4], inputs)
return WON
