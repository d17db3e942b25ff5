-- Append a row to the failure ledger of a run unless its step has one.
--
-- KEYS   1 run   2 failure ledger   3 index of the ledgers
-- ARGV   row: row, field of its step, field of its content
-- Reply  WON | LOST (the step has a row that says the same) | CONFLICT (it says something else) | NOT_FOUND
-- Leaves the row at the end of the ledger; nothing when not won.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/failure_ledger

local entry = take_failure_row()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
if redis.call('HEXISTS', KEYS[3], entry.content) == 1 then return LOST end
if redis.call('HEXISTS', KEYS[3], entry.step) == 1 then return CONFLICT end

append_failure_row(KEYS[2], KEYS[3], entry)
return WON
