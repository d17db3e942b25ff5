-- Read a record.
--
-- Reply  the record, or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta generic_records record_places
--- @args place
local record = redis.call('HGET', generic_records, place)
if not record then expect_whole('HLEN', generic_records) end
return record
