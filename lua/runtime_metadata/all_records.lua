-- Read every record that holds a secret, of all mobs, at one moment.
--
-- KEYS   1 supervisors   2 overlays
-- ARGV   none
-- Reply  {mob, record, ...} of the supervisors, {place, record, ...} of the overlays; both in no order
-- Leaves everything as it was.

return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]) }
