-- Begin to restore a namespace: until the end it is not opened, and nothing else writes to it.
--
-- ARGV   id: of the restoring; replace: 1 if what is there is to go
-- Reply  1 | 0: the namespace is not empty
-- Leaves `meta` with nothing but the state. May run twice.

--- @include lib/mutate
--- @include lib/namespace_keys

--- @args id replace
local state = redis.call('HGET', meta, 'state') or ''
if has_keys() and replace ~= '1' and string.match(state, '^%S+') ~= 'restoring' then return 0 end
mutate('DEL', meta)
-- releases that do not know the state cannot read this schema
mutate('HSET', meta, 'schema', 'restoring', 'state', 'restoring ' .. id)
return 1
