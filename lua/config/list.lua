-- Read the documents of a config namespace by their position in the order of ids.
--
-- ARGV   limit: greatest number of documents
-- Reply  {place, document} of each
-- Leaves everything as it was.

--- @include lib/config_reading
--- @include lib/counts

--- @keys meta documents ids
--- @args namespace offset limit
expect_whole('ZCARD', ids)
local first = redis.call('ZLEXCOUNT', ids, '-', '(' .. namespace) + offset
local stop = math.min(redis.call('ZLEXCOUNT', ids, '-', after_all(namespace)), first + limit)
if first >= stop then return {} end
return documents_at(documents, redis.call('ZRANGE', ids, first, stop - 1))
