-- Read a config document.
--
-- Reply  the document, or nothing
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta documents ids
--- @args place id
--- @include lib/config_presence
local document = redis.call('HGET', documents, place)
if not document then expect_absent(place, id) end
return document
