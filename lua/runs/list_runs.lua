-- The ids of the runs of one mob, or of one flow of it.
--
-- ARGV   prefix: of their places among the runs
-- Reply  the places: prefix, sequence of creation (16 digits), run id
-- Leaves everything as it was.

--- @include lib/run_listing

--- @keys meta runs
--- @args prefix
expect_all_runs(meta, runs)
return redis.call('ZRANGEBYLEX', runs, '[' .. prefix, '(' .. prefix .. '\255')
