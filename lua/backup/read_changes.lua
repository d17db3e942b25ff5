-- Read a page of what has changed and was set aside.
--
-- ARGV   at: where the page begins, 0 for the first one, else as in the reply before; least: how many changes are read, and
--        elements of a long key; of many changes more, so that they are read faster than others make them
-- Reply  {where the next page begins, 0 behind the last one; records (lib/backup_reading)}; {P, key, type, from} of a key
--        that is to be read by pages from there on
-- Leaves everything as it was.

--- @include lib/backup_reading

local PAGES = 20  -- in how many pages, at most, all changes are read

--- @keys aside
--- @args at least
local records, count = {}, math.max(tonumber(least), math.ceil(redis.call('HLEN', aside) / PAGES))
local cursor, skipped = string.match(at, '^(%d+):?(%d*)$')
local page = redis.call('HSCAN', aside, cursor, 'COUNT', count)
local first, last, after = 1 + 2 * (tonumber(skipped) or 0), #page[2], page[1]
-- HSCAN gives a small hash as a whole, in an order that stays while nothing is written to it
if last - first >= 2 * count and string.find(redis.call('OBJECT', 'ENCODING', aside), 'list') then
  last = first + 2 * count - 1
  after = string.format('0:%d', last / 2)
end
for i = first, last, 2 do read_change(records, page[2][i], page[2][i + 1], count) end
return { after, records }
