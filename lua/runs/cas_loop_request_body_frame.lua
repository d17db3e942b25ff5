-- Ask for the next body frame of a loop.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves both at their next value and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change

--- @keys run loops inputs
--- @args run_change:change loop_change:change new_inputs*
if not matches(run, run_change) then return redis.call('HLEN', run) == 0 and NOT_FOUND or LOST end
if not matches(loops, loop_change) then return LOST end

in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
write(loops, loop_change)
return WON
