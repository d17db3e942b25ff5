-- Read the feed of config changes after a cursor.
--
-- ARGV   limit: greatest number of changes
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @keys meta feed
--- @args after limit
local cursor = redis.call('HGET', meta, 'config_cursor') or '0'
-- the feed is trimmed, but never to nothing
if cursor ~= '0' and redis.call('XLEN', feed) == 0 then error('DAMAGED ' .. feed .. ' no change is there', 0) end
return {
  cursor,
  redis.call('XRANGE', feed, '(' .. after .. '-0', '+', 'COUNT', limit),
}
