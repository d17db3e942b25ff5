-- Append a row to the failure ledger of a run unless its step has one.
--
-- Reply  WON | LOST (the step has a row that says the same) | CONFLICT (it says something else) | NOT_FOUND
-- Leaves the row at the end of the ledger; nothing when not won.

--- @include lib/replies
--- @include lib/failure_ledger

--- @keys run failures index
--- @args entry:failure_row
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
if redis.call('HEXISTS', index, entry.content) == 1 then return LOST end
local has_another = redis.call('HEXISTS', index, entry.step) == 1
expect_whole('HLEN', index)
if has_another then return CONFLICT end

append_failure_row(failures, index, entry)
return WON
