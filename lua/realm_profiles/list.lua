-- Read all realm profiles, at one moment.
--
-- Reply  names and records, in no order
-- Leaves everything as it was.

--- @keys profiles
return redis.call('HGETALL', profiles)
