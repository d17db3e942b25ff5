-- Append a row to the step ledger of a run.
--
-- KEYS   1 run   2 step ledger   3 its outputs   4 index of the ledgers
-- ARGV   row: row, output (JSON or ''), field of its identity, field of its step
-- Reply  WON | NOT_FOUND
-- Leaves the row at the end of the ledger.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/step_ledger

if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end

append_step_row(KEYS[2], KEYS[3], KEYS[4], take_step_row())
return WON
