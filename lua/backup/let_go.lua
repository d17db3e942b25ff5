-- Open a namespace again that a move has closed, or end the notes of a backup, which is not made after all.
--
-- ARGV   id: of the move or the backup
-- Reply  1 | 0: the namespace has no state of it
-- Leaves the namespace without a state. May run twice.

--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta changes aside
--- @args id
local number, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
local stands, of = string.match(state or '', '^(%l+) (%S+)')
if of ~= id or stands ~= 'moved' and stands ~= 'backup' then return 0 end
mutate('UNLINK', changes, aside)
mutate('HSET', meta, 'epoch', number)
return 1
