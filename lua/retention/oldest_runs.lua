-- The oldest places of runs under a status.
--
-- ARGV   status: the byte of it; after: the sequence of creation (16 digits) that they are behind, '' to begin; most: how
--        many; must_be_whole: 1 if the index is to hold as many runs as there are
-- Reply  nil if it does not; or the places, in the order of creation
-- Leaves everything as it was.

--- @include lib/run_listing

--- @keys meta runs runs_by_status
--- @args status after most must_be_whole
expect_all_runs(meta, runs)
if must_be_whole == '1' and redis.call('ZCARD', runs_by_status) ~= redis.call('ZCARD', runs) then return nil end
local first = after == '' and '[' .. status or '(' .. status .. after .. '\255'
return redis.call('ZRANGE', runs_by_status, first, '(' .. status .. '\255', 'BYLEX', 'LIMIT', 0, most)
