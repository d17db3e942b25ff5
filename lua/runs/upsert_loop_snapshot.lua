-- Overwrite a loop of a run, and record which frame was the body of an iteration.
--
-- ARGV   loop: its fields and values; gone: fields of groups that it does not have; entry: its row is '' for none
-- Reply  WON | NOT_FOUND
-- Leaves the loop as given, and the row in the ledger once.

--- @include lib/replies
--- @include lib/chunks
--- @include lib/iteration_ledger
--- @include lib/key_types

--- @keys run loops iterations index
--- @args loop* gone* entry:iteration_row
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
expect_hashes(loops)

if entry.row ~= '' then append_iteration_once(iterations, index, entry) end
in_chunks('HSET', loops, loop)
in_chunks('HDEL', loops, gone)
return WON
