-- Places of runs in the order of one of their lists.
--
-- KEYS   places: all of them, or the index by status
-- ARGV   after: the place before, '' to begin; most: how many
-- Reply  the places
-- Leaves everything as it was.

--- @keys places
--- @args after most
return redis.call('ZRANGE', places, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, most)
