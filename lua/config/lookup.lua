-- Read a config document.
--
-- Reply  the document, or nothing
-- Leaves everything as it was.

--- @keys documents
--- @args place
return redis.call('HGET', documents, place)
