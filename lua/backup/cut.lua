-- End a backup: read the last changes, and what `meta` has at this moment.
--
-- ARGV   id: of the backup; most: how many changes there may be; state: that of the namespace from now on, '' = none
-- Reply  {-1}: the backup is not known any more | {0}: there are more changes, or a key has changed that is too long |
--        {1, records (lib/backup_reading), fields of meta, time in us}
-- Leaves the namespace in its state, and no changes, if this is the cut; else everything as it was.

--- @include lib/mutate
--- @include lib/namespace_state
--- @include lib/backup_reading

local LONG = 50  -- elements of one key, for each change that there may be

--- @keys meta changes aside
--- @args id most state
local number, stands = epoch_and_state(redis.call('HGET', meta, 'epoch'))
if string.match(stands or '', '^backup (%S+)') ~= id then return { -1 } end
if redis.call('HLEN', changes) > tonumber(most) then return { 0 } end
local records, noted = {}, redis.call('HGETALL', changes)
for i = 1, #noted, 2 do
  read_change(records, noted[i], noted[i + 1], most * LONG)
  if records[#records] and records[#records][1] == 'P' then return { 0 } end
end
local fields, clock = redis.call('HGETALL', meta), redis.call('TIME')
mutate('UNLINK', changes, aside)
mutate('HSET', meta, 'epoch', epoch_text(number, state ~= '' and state or nil))
return { 1, records, fields, clock[1] .. string.format('%06d', clock[2]) }
