-- Read one record of a hash.
--
-- Reply  the record, nil if there is none
-- Leaves everything as it was.

--- @keys hash
--- @args field
return redis.call('HGET', hash, field)
