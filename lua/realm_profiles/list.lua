-- Read all realm profiles, at one moment.
--
-- Reply  names and records, in no order
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta profiles
expect_whole('HLEN', profiles)
return redis.call('HGETALL', profiles)
