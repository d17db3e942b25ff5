-- Append a row to the failure ledger of a run.
--
-- KEYS   1 run   2 failure ledger   3 index of the ledgers
-- ARGV   row: row, field of its step, field of its content
-- Reply  WON | NOT_FOUND
-- Leaves the row at the end of the ledger.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/failure_ledger

if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end

append_failure_row(KEYS[2], KEYS[3], take_failure_row())
return WON
