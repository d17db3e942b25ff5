-- Read which flows and mobs are paused.
--
-- Reply  what stands in `pauses`: fields and values in turns
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta pauses
expect_whole('HLEN', pauses)
return redis.call('HGETALL', pauses)
