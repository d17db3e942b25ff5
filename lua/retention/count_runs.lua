-- How many runs there are.
--
-- ARGV   prefix: what the places of the runs of a mob, or of a flow, begin with, '' for those of all
-- Reply  the number
-- Leaves everything as it was.

--- @include lib/run_listing

--- @keys meta runs
--- @args prefix
expect_all_runs(meta, runs)
if prefix == '' then return redis.call('ZCARD', runs) end
return redis.call('ZLEXCOUNT', runs, '[' .. prefix, '(' .. prefix .. '\255')
