-- The mobs that have a definition.
--
-- Reply  the mobs, in no order
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta specs
expect_whole('HLEN', specs)
return redis.call('HKEYS', specs)
