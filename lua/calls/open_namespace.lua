-- Open a namespace, creating it if this is the first time.
--
-- ARGV   new_schema: schema version that a new namespace gets; new_token_key: key of the tokens of one that has none
-- Reply  {schema version, epoch, key of the tokens} that the namespace has
-- Leaves an existing namespace untouched but for the key, which older releases did not give it; a new one gets its
-- schema version, creation time (us since 1970) and key.

--- @include lib/clock
--- @include lib/mutate
--- @include lib/when_full

--- @keys meta
--- @args new_schema new_token_key
local schema = redis.call('HGET', meta, 'schema')
if not schema then
  schema = new_schema
  mutate('HSET', meta, 'schema', schema, 'created', now(), 'counted', 1)
end
local token_key = redis.call('HGET', meta, 'token_key')
if not token_key then
  token_key = new_token_key
  write_even_when_full(meta)  -- a namespace of an older release can be opened on a full server
  mutate('HSET', meta, 'token_key', token_key)
end
return { schema, redis.call('HGET', meta, 'epoch') or '0', token_key }
