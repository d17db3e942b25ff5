-- Read the feed of config changes after a cursor.
--
-- KEYS   1 meta   2 feed
-- ARGV   cursor, greatest number of changes
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

return {
  redis.call('HGET', KEYS[1], 'config_cursor') or '0',
  redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2]),
}
