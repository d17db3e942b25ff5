-- Read dead letters of a webhook.
--
-- ARGV   cursor: the first one, in twenty digits; most: how many at most
-- Reply  the letters, or nil if there is no such webhook
-- Leaves everything as it was.

--- @include lib/webhook_records

--- @keys meta webhooks dead_letters
--- @args name cursor most
if not redis.call('HGET', webhooks, name) then
  expect_whole('HLEN', webhooks)
  return nil
end
expect_whole('ZCARD', dead_letters)
return letters_of(dead_letters, name, 'd', cursor, most)
