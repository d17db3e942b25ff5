-- Begin to restore a namespace: until the end it is not opened, and nothing else writes to it.
--
-- ARGV   id: of the restoring; replace: '1' to delete the namespace that is there
-- Reply  1 | 0: the namespace is not empty
-- Leaves `meta` with nothing but the state of the namespace. May run twice.

--- @include lib/mutate
--- @include lib/namespace_keys
--- @include lib/namespace_state

--- @args id replace
local _, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
if has_keys() and replace ~= '1' and string.match(state or '', '^%l*') ~= 'restoring' then return 0 end
mutate('DEL', meta)
-- releases that do not know the state cannot read this schema
mutate('HSET', meta, 'schema', 'restoring', 'epoch', epoch_text('0', 'restoring ' .. id))
return 1
