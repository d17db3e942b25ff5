-- Read a part of the history of a conversation, from the newest item on.
--
-- KEYS   conversation, items: see lib/conversation_items
-- ARGV   before: number of an item, '' = from the newest one; most: how many
-- Reply  items, as the stream has them
-- Leaves everything as it was.

--- @include lib/conversation_items

--- @keys conversation items
--- @args before most
history_of(conversation, items)
return redis.call('XREVRANGE', items, before == '' and '+' or '(0-' .. before, '-', 'COUNT', most)
