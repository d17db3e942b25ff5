-- Read keys for a backup. Of a long one only that it is one: it is read by pages.
--
-- ARGV   most: how many elements a key has that is read at once
-- Reply  records (lib/backup_reading); {P, key, type, ''} of a long key
-- Leaves everything as it was.

--- @include lib/backup_reading

--- @keys wanted*
--- @args most
local records = {}
for _, key in ipairs(wanted) do
  local kind = type_of(key)
  if kind ~= 'none' then
    if length_of(kind, key) <= tonumber(most) then
      if kind == 'stream' then records[#records + 1] = { 'R', key } end
      read_whole(records, key, kind)
    else
      records[#records + 1] = { 'P', key, kind, '' }
    end
  end
end
return records
