-- Open a namespace, creating it if this is the first time.
--
-- ARGV   new_schema: schema version that a new namespace gets
-- Reply  {schema version, epoch} that the namespace has
-- Leaves an existing namespace untouched; a new one gets its schema version and creation time (us since 1970).

--- @include lib/clock
--- @include lib/mutate

--- @keys meta
--- @args new_schema
local schema = redis.call('HGET', meta, 'schema')
if not schema then
  schema = new_schema
  mutate('HSET', meta, 'schema', schema, 'created', now())
end
return { schema, redis.call('HGET', meta, 'epoch') or '0' }
