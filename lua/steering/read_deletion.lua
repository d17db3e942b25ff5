-- Read what the caller of a deletion has left for those who go on with it.
--
-- Reply  that, or nil if no run of this id is being deleted
-- Leaves everything as it was.

--- @keys deletion
return redis.call('HGET', deletion, 'about')
