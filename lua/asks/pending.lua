-- Read where asks are that wait for an answer, the oldest first.
--
-- ARGV   after: a place, '' for the first one; most: how many
-- Reply  places
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta asks
--- @args after most
expect_whole('ZCARD', asks)
return redis.call('ZRANGE', asks, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, most)
