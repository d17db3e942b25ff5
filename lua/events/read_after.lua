-- Read events after a cursor.
--
-- ARGV   limit: greatest number of events
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta events
--- @args after limit
expect_whole('XLEN', events)
return {
  redis.call('HGET', meta, 'cursor') or '0',
  redis.call('XRANGE', events, '(' .. after .. '-0', '+', 'COUNT', limit),
}
