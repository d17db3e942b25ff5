-- Read the ids of conversations, those that are kept longest first: with a run under way, then by when they expire.
--
-- ARGV   after: how many to pass over; most: how many
-- Reply  ids
-- Leaves everything as it was.

--- @keys conversations
--- @args after most
return redis.call('ZRANGE', conversations, '+inf', '-inf', 'BYSCORE', 'REV', 'LIMIT', after, most)
