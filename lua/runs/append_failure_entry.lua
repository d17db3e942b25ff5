-- Append a row to the failure ledger of a run.
--
-- Reply  WON | NOT_FOUND
-- Leaves the row at the end of the ledger.

--- @include lib/replies
--- @include lib/failure_ledger
--- @include lib/key_types

--- @keys run failures index
--- @args entry:failure_row
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
expect_hashes(index)

append_failure_row(failures, index, entry)
return WON
