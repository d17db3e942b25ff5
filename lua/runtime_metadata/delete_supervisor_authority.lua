-- Delete the authority of a mob's supervisor.
--
-- KEYS   1 supervisors
-- ARGV   mob
-- Reply  WON | LOST (there is none)
-- Leaves no record of the mob.

return redis.call('HDEL', KEYS[1], ARGV[1])
