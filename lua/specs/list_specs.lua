-- The mobs that have a definition.
--
-- Reply  the mobs, in no order
-- Leaves everything as it was.

--- @keys specs
return redis.call('HKEYS', specs)
