-- The greatest cursor still present.
--
-- Reply  the last entry of the stream in an array, which is empty if there is none
-- Leaves everything as it was.

--- @keys events
return redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)
