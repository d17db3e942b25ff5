-- Read all realm profiles, at one moment.
--
-- KEYS   1 profiles
-- ARGV   none
-- Reply  names and records, in no order
-- Leaves everything as it was.

return redis.call('HGETALL', KEYS[1])
