-- Read the documents of a config namespace that come after a place in the order of ids.
--
-- KEYS   1 documents   2 ids
-- ARGV   namespace, place, greatest number of documents
-- Reply  {place, document} of each
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/config_reading

local namespace, place, limit = take(), take(), take()
return documents_at(KEYS[1],
  redis.call('ZRANGEBYLEX', KEYS[2], '(' .. place, after_all(namespace), 'LIMIT', 0, limit))
