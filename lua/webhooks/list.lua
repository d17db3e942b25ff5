-- Read all webhooks, or one.
--
-- ARGV   single: 1 = the webhook of that name, 0 = all
-- Reply  {now (ms), {name, webhook, secret, progress, how many letters are dead, ...}}
-- Leaves everything as it was.

--- @include lib/fleet_clock
--- @include lib/webhook_records

--- @keys meta webhooks webhook_secrets webhook_progress dead_letters
--- @args single name
read_clock(meta)
local names = single == '1' and { name } or redis.call('HKEYS', webhooks)
local found = {}
for _, one in ipairs(names) do
  local stored = redis.call('HGET', webhooks, one)
  if stored and is_there(webhook_secrets, webhook_progress, one) then
    for _, part in ipairs({ one, stored, redis.call('HGET', webhook_secrets, one),
      redis.call('HGET', webhook_progress, one), count_letters(dead_letters, one, 'd') }) do
      found[#found + 1] = part
    end
  end
end
if single == '0' or #found == 0 then expect_whole('HLEN', webhooks) end
if #found > 0 then expect_whole('ZCARD', dead_letters) end
return { NOW, found }
