-- Whether there is a config document.
--
-- Reply  1 | 0
-- Leaves everything as it was.

--- @keys documents
--- @args place
return redis.call('HEXISTS', documents, place)
