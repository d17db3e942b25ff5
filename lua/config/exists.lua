-- Whether there is a config document.
--
-- Reply  1 | 0
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta documents ids
--- @args place id
--- @include lib/config_presence
local exists = redis.call('HEXISTS', documents, place)
if exists == 0 then expect_absent(place, id) end
return exists
