-- The greatest cursor still present.
--
-- Reply  the last entry of the stream in an array, which is empty if there is none
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta events
expect_whole('XLEN', events)
return redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)
