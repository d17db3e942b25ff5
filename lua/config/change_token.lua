-- The cursor of the last change in a config namespace.
--
-- Reply  the cursor, '0' if nothing ever changed
-- Leaves everything as it was.

--- @keys tokens
--- @args namespace
return redis.call('HGET', tokens, namespace) or '0'
