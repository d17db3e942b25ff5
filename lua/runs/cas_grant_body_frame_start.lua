-- Give a loop the body frame it asked for.
--
-- KEYS   1 run   2 loops   3 frames   4 iteration ledger   5 index of the ledgers   6 authority inputs
-- ARGV   change of the run, change of the loop, change of the frame (which must be absent), iteration row,
--        field of its identity, list of inputs
-- Reply  WON | LOST | NOT_FOUND
-- Leaves all three at their next value, the row in the ledger once and the inputs appended; nothing when not won.

--- @include lib/replies
--- @include lib/change
--- @include lib/iteration_ledger

local run, loop, frame, entry, inputs =
  take_change(), take_change(), take_change(), take_iteration_row(), take_list()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
if not matches(KEYS[1], run) then return LOST end
if not matches(KEYS[2], loop) then return LOST end
if not matches(KEYS[3], frame) then return LOST end

write(KEYS[1], run)
write(KEYS[2], loop)
write(KEYS[3], frame)
append_iteration_once(KEYS[4], KEYS[5], entry)
in_chunks('RPUSH', KEYS[6], inputs)
return WON
