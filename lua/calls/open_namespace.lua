-- Open a namespace, creating it if this is the first time.
--
-- ARGV   new_schema: schema version that a new namespace gets, and one of an older release; new_token_key: key of the
--        tokens of one that has none
-- Reply  {schema version, epoch, key of the tokens, how payloads are stored ('' = as they are)} that the namespace has
-- Leaves an existing namespace untouched but for its schema version, which keeps older releases out, and the key, which
-- these did not give it; a new one gets its schema version, creation time (us since 1970), key, and an epoch, so that its
-- clients notice when all of these go.

--- @include lib/clock
--- @include lib/counters
--- @include lib/damage
--- @include lib/mutate
--- @include lib/namespace_keys
--- @include lib/namespace_state
--- @include lib/when_full

--- @args new_schema new_token_key
local schema, counted, epoch, token_key, payloads =
  unpack(redis.call('HMGET', meta, 'schema', 'counted', 'epoch', 'token_key', 'payloads'))
if not schema then
  if has_keys() then damaged(meta, 'it has no schema version, and the namespace has keys') end
  schema, epoch, token_key = new_schema, now(), new_token_key
  mutate('HSET', meta, 'schema', schema, 'created', now(), 'counted', 1, 'epoch', epoch, 'token_key', token_key)
else
  local is_old = tonumber(string.match(schema, '^%d+$') or math.huge) < tonumber(new_schema)
  if not token_key and counted then damaged(meta, 'its key of tokens is gone') end
  if is_old or not token_key then write_even_when_full(meta) end  -- it can be opened on a full server
  if is_old then
    schema = new_schema
    mutate('HSET', meta, 'schema', schema)
  end
  if not token_key then
    token_key = new_token_key
    mutate('HSET', meta, 'token_key', token_key)
  end
end
-- a damaged one is answered as it is
return { schema, epoch_and_state(epoch or '0') or epoch, token_key, payloads or '' }
