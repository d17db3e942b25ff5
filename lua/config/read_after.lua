-- Read the feed of config changes after a cursor.
--
-- ARGV   limit: greatest number of changes
-- Reply  {greatest cursor ever given, entries of the stream}
-- Leaves everything as it was.

--- @include lib/log_reading

--- @keys meta feed
--- @args after limit
return { newest_in(feed, meta, 'config_cursor'), entries_after(feed, after, limit) }
