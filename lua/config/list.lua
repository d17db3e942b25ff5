-- Read the documents of a config namespace by their position in the order of ids.
--
-- KEYS   1 documents   2 ids
-- ARGV   namespace, offset, limit
-- Reply  {place, document} of each
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/config_reading

local namespace, offset, limit = take(), tonumber(take()), tonumber(take())
local first = redis.call('ZLEXCOUNT', KEYS[2], '-', '(' .. namespace) + offset
local stop = math.min(redis.call('ZLEXCOUNT', KEYS[2], '-', after_all(namespace)), first + limit)
if first >= stop then return {} end
return documents_at(KEYS[1], redis.call('ZRANGE', KEYS[2], first, stop - 1))
