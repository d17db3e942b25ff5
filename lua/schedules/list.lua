-- Read some of the schedules, from a cursor of HSCAN.
--
-- Reply  {cursor to go on from, 0 at the end, names and schedules}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta schedules
--- @args cursor
expect_whole('HLEN', schedules)
return redis.call('HSCAN', schedules, cursor, 'COUNT', 200)
