-- Count, of a part of the executions that stand in the schedule with a time, those of each queue.
--
-- ARGV   first: position of the first one by time; most: greatest number of them
-- Reply  {how many were looked at, queue and number in turns}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/queue_parts

--- @keys meta ready
--- @args first most
if first == '0' then expect_whole('ZCARD', ready) end
local entries, counted, reply = redis.call('ZRANGE', ready, first, first + most - 1), {}, {}
for _, entry in ipairs(entries) do
  -- one of an older release begins with another byte
  if string.byte(entry) == 0 then
    local queue = string.sub(entry, 1, queue_end(entry, 1))
    counted[queue] = (counted[queue] or 0) + 1
  end
end
for queue, number in pairs(counted) do
  reply[#reply + 1], reply[#reply + 2] = queue, number
end
return { #entries, reply }
