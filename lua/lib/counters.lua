-- Counters that only grow, in fields of hashes. They are read first and written with HSET: HINCRBY would refuse one that
-- is no number when other writes have happened already.

-- numbers of Lua are exact up to 15 digits
local MOST_DIGITS = 15

local function next_count(key, field)
  local count = redis.call('HGET', key, field) or '0'
  if not string.match(count, '^%d+$') or #count > MOST_DIGITS then
    error('DAMAGED ' .. key .. ' its counter ' .. field .. ' cannot count on: ' .. string.sub(count, 1, 40), 0)
  end
  return tonumber(count) + 1
end

-- a count as decimal text, however great it is
local function decimal(count)
  return string.format('%.0f', count)
end
