-- Read a part of the checkpoints of a run.
--
-- ARGV   cursor: '0' for the first part; about: how many records of the index one part looks at;
--        pattern: of the names of checkpoints
-- Reply  nil (there is no such run) | {cursor of the next part, '0' at the end; names and records}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/run_head

--- @keys run index
--- @args cursor about pattern
if not run_exists(run, index) then return nil end
if cursor == '0' then expect_whole('HLEN', index) end
return redis.call('HSCAN', index, cursor, 'MATCH', pattern, 'COUNT', about)
