-- Open a namespace, creating it if this is the first time.
--
-- KEYS   1 meta
-- ARGV   1 schema version that a new namespace gets
-- Reply  {schema version, epoch} that the namespace has
-- Leaves an existing namespace untouched; a new one gets its schema version and creation time (us since 1970).

local schema = redis.call('HGET', KEYS[1], 'schema')
if not schema then
  schema = ARGV[1]
  local now = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'schema', schema, 'created', string.format('%d%06d', now[1], now[2]))
end
return { schema, redis.call('HGET', KEYS[1], 'epoch') or '0' }
