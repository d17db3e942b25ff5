-- Set aside what has changed, to be read in pages; what was set aside before has been read.
--
-- ARGV   id: of the backup; key: name of the key of the changes; keep: how long the backup may be silent, in ms; renew: 1
--        to do nothing but to say that the backup goes on
-- Reply  1 | 0: the backup is not known any more
-- Leaves no changes but those that are set aside.

--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta changes aside
--- @args id key keep renew
local number, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
if string.match(state or '', '^backup (%S+)') ~= id then return 0 end
if renew ~= '1' then
  mutate('UNLINK', aside)
  if redis.call('EXISTS', changes) == 1 then mutate('RENAME', changes, aside) end
end
local clock = redis.call('TIME')
local deadline = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + keep)
mutate('HSET', meta, 'epoch', epoch_text(number, 'backup ' .. id .. ' ' .. deadline .. ' ' .. key))
return 1
