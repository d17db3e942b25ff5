-- Store the authority of a mob's supervisor unless there is one.
--
-- KEYS   1 supervisors
-- ARGV   mob, record
-- Reply  WON | LOST
-- Leaves the record; nothing when lost.

return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
