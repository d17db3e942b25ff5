-- Read events after a cursor.
--
-- ARGV   limit: greatest number of events
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @keys meta events
--- @args after limit
return {
  redis.call('HGET', meta, 'cursor') or '0',
  redis.call('XRANGE', events, '(' .. after .. '-0', '+', 'COUNT', limit),
}
