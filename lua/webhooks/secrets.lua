-- Read the secrets of all webhooks, at one moment.
--
-- Reply  {name, secret, ...}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta webhook_secrets
expect_whole('HLEN', webhook_secrets)
return redis.call('HGETALL', webhook_secrets)
