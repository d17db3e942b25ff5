-- Read all policies.
--
-- Reply  {now (microseconds), fields and values: policies by their mobs, and `turn`}
-- Leaves everything as it was.

--- @include lib/clock
--- @include lib/counts

--- @keys meta retention
expect_whole('HLEN', retention)
return { now(), redis.call('HGETALL', retention) }
