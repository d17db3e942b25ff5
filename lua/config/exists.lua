-- Whether there is a config document.
--
-- Reply  1 | 0
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta documents
--- @args place
local exists = redis.call('HEXISTS', documents, place)
if exists == 0 then expect_whole('HLEN', documents) end
return exists
