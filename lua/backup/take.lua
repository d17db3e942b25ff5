-- Take what has changed, and is not in the backup yet; or all of it, which is the cut.
--
-- ARGV   id: of the backup; key: name of the key of the changes; keep: how long the backup may be silent, in ms; most: of
--        how many changes at once; state: that of the namespace after the cut ('-' = no cut, '' = none)
-- Reply  {-1}: the backup is not known any more | {0, records, how many are left} | {1, records, fields of meta, time in us}
-- Leaves the changes that were not taken. Of a key that is to be read as a whole and is long, or grew by much, a cut takes
-- as much as others do, and is none.

--- @include lib/mutate
--- @include lib/namespace_state
--- @include lib/backup_reading

local ONE_PAGE = 500

--- @keys meta changes
--- @args id key keep most state
local number, stands = epoch_and_state(redis.call('HGET', meta, 'epoch'))
if string.match(stands or '', '^backup (%S+)') ~= id then return { -1 } end
local clock = redis.call('TIME')
local time = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('HLEN', changes)
local is_cut = state ~= '-' and found <= tonumber(most)
local noted = {}
if is_cut then
  noted = redis.call('HGETALL', changes)
else
  local at = '0'
  repeat
    local page = redis.call('HSCAN', changes, at, 'COUNT', most)
    at = page[1]
    for _, word in ipairs(page[2]) do noted[#noted + 1] = word end
  until #noted > 0 or at == '0'
end

local most_of_key = is_cut and 10000 or ONE_PAGE
local records, again = {}, false
for i = 1, #noted, 2 do
  local field, value = noted[i], noted[i + 1]
  local length, from = string.match(field, '^(%d+):()')
  local name = string.sub(field, from, from + length - 1)
  local what, element = string.sub(field, from + length, from + length), string.sub(field, from + length + 1)
  local kind = type_of(name)
  local goes_on
  if kind == 'none' then
    records[#records + 1] = { 'R', name }
  elseif what == 'w' then
    records[#records + 1] = { 'R', name }
    if length_of(kind, name) <= most_of_key then
      read_whole(records, name, kind)
    else
      records[#records + 1] = { 'P', name, kind }
      again = true
    end
  elseif what == 's' and kind == 'list' then
    local items = redis.call('LRANGE', name, value, value + most_of_key - 1)
    records[#records + 1] = { 'L', name, tonumber(value), items }
    if #items == most_of_key then goes_on = value + most_of_key end
  elseif what == 's' then
    local entries = redis.call('XRANGE', name, value, '+', 'COUNT', most_of_key)
    records[#records + 1] = { 'X', name, first_of(name), entries }
    if #entries == most_of_key then goes_on = '(' .. entries[#entries][1] end
  elseif kind == 'hash' then
    local now = redis.call('HGET', name, element)
    records[#records + 1] = now and { 'H', name, { element, now } } or { 'h', name, { element } }
  elseif kind == 'zset' then
    local now = redis.call('ZSCORE', name, element)
    records[#records + 1] = now and { 'Z', name, { element, now } } or { 'z', name, { element } }
  elseif kind == 'stream' and not redis.call('XRANGE', name, element, element)[1] then
    records[#records + 1] = { 'x', name, { element } }
  end
  if goes_on then
    mutate('HSET', changes, field, goes_on)
    again = true
  else
    mutate('HDEL', changes, field)
  end
end
if is_cut and not again then
  local fields = redis.call('HGETALL', meta)
  mutate('HSET', meta, 'epoch', state == '' and number or epoch_text(number, state))
  return { 1, records, fields, clock[1] .. string.format('%06d', clock[2]) }
end
mutate('HSET', meta, 'epoch', epoch_text(number, 'backup ' .. id .. ' ' .. string.format('%.0f', time + keep) .. ' ' .. key))
return { 0, records, redis.call('HLEN', changes) }
