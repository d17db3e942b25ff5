-- Insert a frame, or change it.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the frame at its next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

--- @keys run frames inputs
--- @args frame_change:change new_inputs*
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
if not matches(frames, frame_change) then return LOST end

in_chunks('RPUSH', inputs, new_inputs)
write(frames, frame_change)
return WON
