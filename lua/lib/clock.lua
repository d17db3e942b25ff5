-- The server's clock, the only one there is: microseconds since 1970 as decimal text.

local function now()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', time[2])
end

-- as lib/counters marks numbers that stand alone; it has more digits than a number of Lua
local function numeral_now()
  return ' ' .. now() .. '\n'
end
