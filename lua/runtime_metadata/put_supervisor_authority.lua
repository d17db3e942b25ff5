-- Store the authority of a mob's supervisor.
--
-- KEYS   1 supervisors
-- ARGV   mob, record
-- Reply  WON
-- Leaves the record in the place of the one that was there, if any.

--- @include lib/replies

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return WON
