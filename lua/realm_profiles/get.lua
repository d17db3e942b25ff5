-- Read a realm profile.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta profiles
--- @args name
local record = redis.call('HGET', profiles, name)
if not record then expect_whole('HLEN', profiles) end
return record
