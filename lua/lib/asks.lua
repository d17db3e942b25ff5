-- What people are asked. `asks` is a sorted set in lexical order of the places of all asks that are pending: when each was
-- asked, in 16 digits of milliseconds, the id of its run, its own id (see codec/asks.py, decision 0042).

--- @include lib/arguments
--- @include lib/chunks

-- '+' enters a place, '-' takes it out; '!' takes out one whose time is over, which has to be there: else it was answered
local function take_ask_change()
  return { sign = take(), place = take() }
end

local function all_pending(asks, changes)
  for _, change in ipairs(changes) do
    if change.sign == '!' and not redis.call('ZSCORE', asks, change.place) then return false end
  end
  return true
end

local function change_asks(asks, changes)
  local entered, left = {}, {}
  for _, change in ipairs(changes) do
    if change.sign == '+' then
      entered[#entered + 1], entered[#entered + 2] = 0, change.place
    else
      left[#left + 1] = change.place
    end
  end
  in_chunks('ZADD', asks, entered)
  in_chunks('ZREM', asks, left)
end
