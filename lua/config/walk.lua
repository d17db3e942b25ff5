-- Read the documents of a config namespace that come after a place in the order of ids.
--
-- ARGV   limit: greatest number of documents
-- Reply  {place, document} of each
-- Leaves everything as it was.

--- @include lib/config_reading
--- @include lib/counts

--- @keys meta documents ids
--- @args namespace after limit
expect_whole('ZCARD', ids)
return documents_at(documents,
  redis.call('ZRANGEBYLEX', ids, '(' .. after, after_all(namespace), 'LIMIT', 0, limit))
