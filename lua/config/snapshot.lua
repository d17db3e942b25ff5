-- Read all documents of several config namespaces as they are at one moment.
--
-- KEYS   1 meta   2 documents   3 ids
-- ARGV   number of namespaces, namespace...
-- Reply  {cursor of the feed, then for each namespace: {place, document} of each document}
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/config_reading

local reply = { redis.call('HGET', KEYS[1], 'config_cursor') or '0' }
for _, namespace in ipairs(take_list()) do
  local places = redis.call('ZRANGEBYLEX', KEYS[3], '(' .. namespace, after_all(namespace))
  reply[#reply + 1] = documents_at(KEYS[2], places)
end
return reply
