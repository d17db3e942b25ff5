-- Finish a loop, and with it the node of its parent frame.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves all three at their next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

--- @keys run loops frames inputs
--- @args run_change:change loop_change:change frame_change:change new_inputs*
if not matches(run, run_change) then return redis.call('HLEN', run) == 0 and NOT_FOUND or LOST end
if not matches(loops, loop_change) then return LOST end
if not matches(frames, frame_change) then return LOST end

in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
write(loops, loop_change)
write(frames, frame_change)
return WON
