-- Read one overlay.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta overlays overlay_places
--- @args place
local record = redis.call('HGET', overlays, place)
if not record then expect_whole('HLEN', overlays) end
return record
