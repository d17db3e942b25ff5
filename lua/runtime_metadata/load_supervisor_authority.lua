-- Read the authority of a mob's supervisor.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta supervisors
--- @args mob
local record = redis.call('HGET', supervisors, mob)
if not record then expect_whole('HLEN', supervisors) end
return record
