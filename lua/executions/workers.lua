-- Read which workers there are.
--
-- Reply  {now (ms), workers and when their leases expire (ms), in turns}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/fleet_clock

--- @keys meta workers
expect_whole('ZCARD', workers)
read_clock(meta)
return { NOW, redis.call('ZRANGE', workers, 0, -1, 'WITHSCORES') }
