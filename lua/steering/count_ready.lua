-- Count, of a part of the executions that stand in the schedule with a time, those of each queue.
--
-- ARGV   first: position of the first one by time; most: greatest number of them
-- Reply  {how many were looked at; queue, number, for how many of these the time has come, and the first of these times (ms,
--        or '' if there is none), in turns}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/fleet_clock
--- @include lib/queue_parts

--- @keys meta ready
--- @args first most
if first == '0' then expect_whole('ZCARD', ready) end
read_clock(meta)
local entries, reply = redis.call('ZRANGE', ready, first, first + most - 1, 'WITHSCORES'), {}
local counted, come, since = {}, {}, {}
for i = 1, #entries, 2 do
  local entry, at = entries[i], tonumber(entries[i + 1])
  -- one of an older release begins with another byte
  if string.byte(entry) == 0 then
    local queue = string.sub(entry, 1, queue_end(entry, 1))
    counted[queue] = (counted[queue] or 0) + 1
    if at <= NOW then
      come[queue] = (come[queue] or 0) + 1
      since[queue] = since[queue] or decimal(math.floor(at))
    end
  end
end
for queue, number in pairs(counted) do
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3], reply[#reply + 4] = queue, number, come[queue] or 0, since[queue] or ''
end
return { #entries / 2, reply }
