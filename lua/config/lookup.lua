-- Read a config document.
--
-- Reply  the document, or nothing
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta documents
--- @args place
local document = redis.call('HGET', documents, place)
if not document then expect_whole('HLEN', documents) end
return document
