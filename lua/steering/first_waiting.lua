-- Read which executions are the first to be taken from a queue.
--
-- ARGV   queue: where they wait; most: greatest number, of suspects and of others
-- Reply  {entries, how each was lost ('-' if it was not)}
-- Leaves everything as it was.

--- @include lib/lexical_order

--- @keys meta queued lost
--- @args queue most
local entries, how = {}, {}
for letter in string.gmatch('sw', '.') do
  for _, member in ipairs(beginning_with(queued, letter .. queue, most)) do entries[#entries + 1] = string.sub(member, 2) end
end
if #entries > 0 then how = redis.call('HMGET', lost, unpack(entries)) end
for i = 1, #entries do how[i] = how[i] or '-' end
return { entries, how }
