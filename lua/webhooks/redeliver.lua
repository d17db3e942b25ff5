-- Have dead letters of a webhook delivered again.
--
-- ARGV   cursors: of which events, in twenty digits
-- Reply  how many there were of them
-- Leaves them to be delivered again. Wakes workers.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/mutate
--- @include lib/webhook_records

--- @keys meta webhooks dead_letters channel
--- @args name cursors*
if not redis.call('HGET', webhooks, name) then expect_whole('HLEN', webhooks) end
expect_whole('ZCARD', dead_letters)
local found, start = {}, #(#name .. ':' .. name) + 1
for _, cursor in ipairs(cursors) do
  local letter = letters_of(dead_letters, name, 'd', cursor, 1)[1]
  if letter and string.sub(letter, start + 1, start + 20) == cursor then found[#found + 1] = letter end
end

for _, letter in ipairs(found) do
  mutate('ZREM', dead_letters, letter)
  mutate('ZADD', dead_letters, 0, string.sub(letter, 1, start - 1) .. 'r' .. string.sub(letter, start + 1))
end
if #found > 0 then announce(channel, 'webhooks') end
return #found
