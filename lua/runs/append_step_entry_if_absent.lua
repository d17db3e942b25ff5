-- Append a row to the step ledger of a run unless it has one for the same step, agent and status.
--
-- Reply  WON | LOST | NOT_FOUND
-- Leaves the row at the end of the ledger; nothing when lost.

--- @include lib/replies
--- @include lib/key_types
--- @include lib/step_ledger

--- @keys run steps step_outputs index
--- @args entry:step_row
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
expect_hashes(step_outputs)
local absent = {}
add_absent_step_rows(index, absent, { entry })
if #absent == 0 then return LOST end

append_step_rows(steps, step_outputs, index, absent)
return WON
