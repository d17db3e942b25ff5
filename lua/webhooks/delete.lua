-- Delete a webhook.
--
-- Reply  WON | LOST (it is absent)
-- Leaves nothing of it; nothing changes when lost. Wakes workers.

--- @include lib/announce
--- @include lib/chunks
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies
--- @include lib/webhook_records
--- @include lib/when_full

--- @keys meta webhooks webhook_secrets webhook_progress dead_letters channel
--- @args name
if not redis.call('HGET', webhooks, name) then
  expect_whole('HLEN', webhooks)
  return LOST
end
expect_hashes(webhook_secrets, webhook_progress)
local letters = letters_of(dead_letters, name, 'd', '', -1)
for _, letter in ipairs(letters_of(dead_letters, name, 'r', '', -1)) do letters[#letters + 1] = letter end

write_even_when_full(meta)
mutate('HDEL', webhooks, name)
mutate('HDEL', webhook_secrets, name)
mutate('HDEL', webhook_progress, name)
in_chunks('ZREM', dead_letters, letters)
announce(channel, 'webhooks')
return WON
