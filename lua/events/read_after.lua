-- Read events after a cursor.
--
-- ARGV   limit: greatest number of events
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/log_reading

--- @keys meta events
--- @args after limit
expect_whole('XLEN', events)
return { newest_in(events, meta, 'cursor'), entries_after(events, after, limit) }
