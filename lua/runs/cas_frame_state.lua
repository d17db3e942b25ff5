-- Insert a frame, or change it.
--
-- KEYS   1 run   2 frames   3 authority inputs
-- ARGV   change of the frame, list of inputs
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the frame at its next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

local frame, inputs = take_change(), take_list()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
if not matches(KEYS[2], frame) then return LOST end

write(KEYS[2], frame)
in_chunks('RPUSH', KEYS[3], inputs)
return WON
