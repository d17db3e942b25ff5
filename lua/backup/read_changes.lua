-- Read a page of what has changed and was set aside.
--
-- ARGV   at: where the page begins, 0 for the first one; most: about how many changes are read, and elements of a long key
-- Reply  {where the next page begins, 0 behind the last one; records (lib/backup_reading)}; {P, key, type, from} of a key
--        that is to be read by pages from there on
-- Leaves everything as it was.

--- @include lib/backup_reading

--- @keys aside
--- @args at most
local records, page = {}, redis.call('HSCAN', aside, at, 'COUNT', most)
for i = 1, #page[2], 2 do read_change(records, page[2][i], page[2][i + 1], tonumber(most)) end
return { page[1], records }
