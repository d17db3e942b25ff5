-- Complete a step node of one frame and record the output of its step.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the frame at its next value, the output recorded, earlier iterations of the loop at least empty and
--        the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change
--- @include lib/outputs

--- @keys run frames outputs inputs
--- @args frame_change:change output:output new_inputs*
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
if not matches(frames, frame_change) then return LOST end
local records = records_of(outputs, { output })

in_chunks('RPUSH', inputs, new_inputs)
in_chunks('HSET', outputs, records)
write(frames, frame_change)
return WON
