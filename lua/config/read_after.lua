-- Read the feed of config changes after a cursor.
--
-- ARGV   limit: greatest number of changes
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @keys meta feed
--- @args after limit
local cursor = redis.call('HGET', meta, 'config_cursor') or '0'
return {
  cursor,
  redis.call('XRANGE', feed, '(' .. after .. '-0', '+', 'COUNT', limit),
}
