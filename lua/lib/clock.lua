-- The server's clock, the only one there is: microseconds since 1970 as decimal text.

local function now()
  local time = redis.call('TIME')
  return time[1] .. string.format('%06d', time[2])
end
