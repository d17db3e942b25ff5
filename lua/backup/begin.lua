-- Begin to follow what is written to a namespace, for a backup.
--
-- ARGV   id: of the backup; base: id of the backup whose changes are wanted, '' for all; keep: how long the backup may be
--        silent, in ms; key: name of the key of the changes
-- Reply  1 | 0: another backup is under way | -1: what changed since the base is not known | -2: no such namespace
-- Leaves the state of the namespace, and the changes since the base.

--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta changes aside
--- @args id base keep key
local schema, epoch = unpack(redis.call('HMGET', meta, 'schema', 'epoch'))
if not schema then return -2 end
local number, state = epoch_and_state(epoch)
local clock = redis.call('TIME')
local time = clock[1] * 1000 + math.floor(clock[2] / 1000)
local stands, of, deadline = string.match(state or '', '^(%S+) (%S+) (%d+)')
if stands == 'backup' and of ~= id and tonumber(deadline) >= time then return 0 end
if base ~= '' and not (stands == 'changes' and of == base) then return -1 end
if base == '' then mutate('UNLINK', changes, aside) end
local state_now = 'backup ' .. id .. ' ' .. string.format('%.0f', time + keep) .. ' ' .. key
mutate('HSET', meta, 'epoch', epoch_text(number or '0', state_now))
return 1
