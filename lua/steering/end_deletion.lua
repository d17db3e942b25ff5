-- End the deletion of a run of which nothing is left but the record of that.
--
-- ARGV   run_id: of the run
-- Reply  WON
-- Leaves no key of the run.

--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies

--- @keys meta deletion deleted_cursors deletions
--- @args run_id
expect_hashes(deletion, deletions)
mutate('UNLINK', deletion, deleted_cursors)
mutate('HDEL', deletions, run_id)
return WON
