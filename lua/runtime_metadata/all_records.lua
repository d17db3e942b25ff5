-- Read every record that holds a secret, of all mobs, at one moment.
--
-- Reply  {mob, record, ...} of the supervisors, {place, record, ...} of the overlays; both in no order
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta supervisors overlays
expect_whole('HLEN', supervisors)
expect_whole('HLEN', overlays)
return { redis.call('HGETALL', supervisors), redis.call('HGETALL', overlays) }
