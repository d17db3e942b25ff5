-- The cursor of the last change in a config namespace.
--
-- Reply  the cursor, '0' if nothing ever changed
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta tokens
--- @args namespace
local token = redis.call('HGET', tokens, namespace)
if not token then expect_whole('HLEN', tokens) end
return token or '0'
