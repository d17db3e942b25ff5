-- Append a row to the step ledger of a run unless it has one for the same step, agent and status.
--
-- KEYS   1 run   2 step ledger   3 its outputs   4 index of the ledgers
-- ARGV   row: row, output (JSON or ''), field of its identity, field of its step
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the row at the end of the ledger; nothing when lost.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/step_ledger

local entry = take_step_row()
if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
return append_step_row_once(KEYS[2], KEYS[3], KEYS[4], entry) and WON or LOST
