-- Read a schedule of a flow.
--
-- Reply  its revision, the digest of its definition and its document, with spaces between them; or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta schedules
--- @args name
local stored = redis.call('HGET', schedules, name)
if not stored then expect_whole('HLEN', schedules) end
return stored
