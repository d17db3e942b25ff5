-- Read all documents of several config namespaces as they are at one moment.
--
-- Reply  {cursor of the feed, then for each namespace: {place, document} of each document}
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/config_reading
--- @include lib/counts
--- @include lib/log_reading

--- @keys meta documents ids feed
--- @args namespaces*
expect_whole('ZCARD', ids)
local reply = { newest_in(feed, meta, 'config_cursor') }
for _, namespace in ipairs(namespaces) do
  local places = redis.call('ZRANGEBYLEX', ids, '(' .. namespace, after_all(namespace))
  reply[#reply + 1] = documents_at(documents, places)
end
return reply
