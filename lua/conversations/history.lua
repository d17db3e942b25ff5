-- Read a part of the history of a conversation, from the newest item on.
--
-- ARGV   before: number of an item, '' = from the newest one; most: how many
-- Reply  items, as the stream has them
-- Leaves everything as it was.

--- @keys items
--- @args before most
return redis.call('XREVRANGE', items, before == '' and '+' or '(0-' .. before, '-', 'COUNT', most)
