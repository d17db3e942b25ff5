-- Give a ready node of one frame an execution slot of its run.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves both at their next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

--- @keys run frames inputs
--- @args run_change:change frame_change:change new_inputs*
if not matches(run, run_change) then return redis.call('HLEN', run) == 0 and NOT_FOUND or LOST end
if not matches(frames, frame_change) then return LOST end

in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
write(frames, frame_change)
return WON
