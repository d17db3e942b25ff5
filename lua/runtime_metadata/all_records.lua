-- Read every record that holds a secret, of all mobs, at one moment.
--
-- Reply  {mob, record, ...} of the supervisors, {place, record, ...} of the overlays; both in no order
-- Leaves everything as it was.

--- @keys supervisors overlays
return { redis.call('HGETALL', supervisors), redis.call('HGETALL', overlays) }
