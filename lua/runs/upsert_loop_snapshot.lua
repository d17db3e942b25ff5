-- Overwrite a loop of a run, and record which frame was the body of an iteration.
--
-- KEYS   1 run   2 loops   3 iteration ledger   4 index of the ledgers
-- ARGV   list of the fields of the loop, iteration row ('' = none), field of its identity
-- Reply  WON | NOT_FOUND
-- Leaves the loop as given, and the row in the ledger once.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/chunks
--- @include lib/iteration_ledger

local loop, entry = take_list(), take_iteration_row()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end

in_chunks('HSET', KEYS[2], loop)
if entry.row ~= '' then append_iteration_once(KEYS[3], KEYS[4], entry) end
return WON
