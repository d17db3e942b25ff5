-- The mobs that have a definition.
--
-- KEYS   1 specs
-- ARGV   none
-- Reply  the mobs, in no order
-- Leaves everything as it was.

return redis.call('HKEYS', KEYS[1])
