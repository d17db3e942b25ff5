-- Read a page of a long key for a backup.
--
-- ARGV   kind: the type of the key; at: where the page begins, '' for the first one; most: about how much is read
-- Reply  {where the next page begins, '' behind the last one; records (lib/backup_reading)}
-- Leaves everything as it was.

--- @include lib/backup_reading

--- @keys wanted
--- @args kind at most
local after, records = '', {}
if at == '' then records[1] = { 'R', wanted } end
if kind == 'hash' then
  local page = redis.call('HSCAN', wanted, at == '' and '0' or at, 'COUNT', most)
  if page[1] ~= '0' then after = page[1] end
  records[#records + 1] = { 'H', wanted, page[2] }
elseif kind == 'zset' then
  local page = redis.call('ZSCAN', wanted, at == '' and '0' or at, 'COUNT', most)
  if page[1] ~= '0' then after = page[1] end
  records[#records + 1] = { 'Z', wanted, page[2] }
elseif kind == 'list' then
  local from = at == '' and 0 or tonumber(at)
  local items = redis.call('LRANGE', wanted, from, from + most - 1)
  if #items == tonumber(most) then after = string.format('%d', from + most) end
  records[#records + 1] = { 'L', wanted, from, items }
elseif kind == 'stream' then
  local entries = redis.call('XRANGE', wanted, at == '' and '-' or at, '+', 'COUNT', most)
  if #entries == tonumber(most) then after = '(' .. entries[#entries][1] end
  records[#records + 1] = { 'X', wanted, first_of(wanted), entries }
else
  records[#records + 1] = { 'S', wanted, redis.call('SMEMBERS', wanted) }
end
if after == '' then expiry_of(records, wanted) end
return { after, records }
