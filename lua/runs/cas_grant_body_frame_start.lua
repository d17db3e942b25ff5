-- Give a loop the body frame it asked for.
--
-- ARGV   frame_change: the frame must be absent
-- Reply  WON | LOST | NOT_FOUND
-- Leaves all three at their next value, the row in the ledger once and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change
--- @include lib/gathering
--- @include lib/iteration_ledger
--- @include lib/key_types

--- @keys run loops frames iterations index inputs
--- @args run_change:change loop_change:change frame_change:change entry:iteration_row new_inputs*
if not matches(run, run_change) then return redis.call('HLEN', run) == 0 and NOT_FOUND or LOST end
if not matches(loops, loop_change) then return LOST end
if not matches(frames, frame_change) then return LOST end
expect_lists(inputs)

gather()
append_iteration_once(iterations, index, entry)
in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
write(loops, loop_change)
write(frames, frame_change)
count_gathered()
return WON
