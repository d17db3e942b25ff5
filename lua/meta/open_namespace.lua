-- Open a namespace, creating it if this is the first time.
--
-- KEYS   1 meta
-- ARGV   1 schema version that a new namespace gets
-- Reply  the schema version that the namespace has
-- Leaves an existing namespace untouched; a new one gets its schema version and creation time (us since 1970).

local schema = redis.call('HGET', KEYS[1], 'schema')
if schema then
  return schema
end

local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'created', string.format('%d%06d', now[1], now[2]))
return ARGV[1]
