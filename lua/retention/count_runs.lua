-- How many runs there are.
--
-- ARGV   mob: what the places of its runs begin with, '' for those of all
-- Reply  the number
-- Leaves everything as it was.

--- @include lib/run_listing

--- @keys meta runs
--- @args mob
expect_all_runs(meta, runs)
if mob == '' then return redis.call('ZCARD', runs) end
return redis.call('ZLEXCOUNT', runs, '[' .. mob, '(' .. mob .. '\255')
