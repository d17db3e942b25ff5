-- Append a row to the step ledger of a run.
--
-- Reply  WON | NOT_FOUND
-- Leaves the row at the end of the ledger.

--- @include lib/replies
--- @include lib/key_types
--- @include lib/step_ledger

--- @keys run steps step_outputs index
--- @args entry:step_row
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
expect_hashes(step_outputs, index)

append_step_rows(steps, step_outputs, index, { entry })
return WON
