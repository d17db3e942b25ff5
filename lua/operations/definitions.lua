-- Read under which digests definitions are stored.
--
-- Reply  the digests
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta definitions
expect_whole('HLEN', definitions)
return redis.call('HKEYS', definitions)
