-- Store a webhook and its secret; a new one begins as its progress says.
--
-- ARGV   expected: revision; '' = any, 0 = absent; most: how many webhooks there may be
-- Reply  the new revision | LOST (it has another one) | CONFLICT (there are as many as there may be)
-- Leaves the webhook under the new revision, and its secret; one that was there keeps its progress, and a new one has that
--        which is given. Workers are woken. Nothing if the reply is LOST or CONFLICT.

--- @include lib/announce
--- @include lib/fleet_clock
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies
--- @include lib/webhook_records

--- @keys meta webhooks webhook_secrets webhook_progress channel
--- @args name document secret progress expected most
local stored = redis.call('HGET', webhooks, name)
if not stored then
  expect_whole('HLEN', webhooks)
elseif not is_there(webhook_secrets, webhook_progress, name) then
  stored = nil
end
local current = webhook_revision(webhooks, stored)
if expected ~= '' and expected ~= current then return LOST end
expect_hashes(webhook_secrets, webhook_progress)
if not stored and redis.call('HLEN', webhooks) >= tonumber(most) then return CONFLICT end

-- should its counter be lost, it is behind the revision of the webhook
local revision = decimal(math.max(renewed_field(meta, 'webhook_revision'), number_in(current) or 0) + 1)
mutate('HSET', meta, 'webhook_revision', revision)
mutate('HSET', webhooks, name, revision .. ' ' .. document)
mutate('HSET', webhook_secrets, name, secret)
if not stored then mutate('HSET', webhook_progress, name, progress_text('1', 0, '0', '-', progress)) end
announce(channel, 'webhooks')
return revision
