-- The server's clock, the only one there is: microseconds since 1970 as decimal text.

local time  -- it stands still while a script runs

local function now()
  if not time then
    local parts = redis.call('TIME')
    time = parts[1] .. string.format('%06d', parts[2])
  end
  return time
end

-- as lib/counters marks numbers that stand alone; it has more digits than a number of Lua
local function numeral_now()
  return ' ' .. now() .. '\n'
end
