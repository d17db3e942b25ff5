-- What must happen when: sorted sets by milliseconds of the server's clock.

--- @include lib/arguments
--- @include lib/clock
--- @include lib/mutate

-- A time that ends in a half is that of a run which a worker has in hand: until then it is not due for others.
local IN_HAND = 0.5

-- in milliseconds; asked for once, since a commit may set the times of thousands of executions
local NOW = math.floor(now() / 1000)

local function is_in_hand(key, member)
  local at = tonumber(redis.call('ZSCORE', key, member) or 0)
  return at % 1 == IN_HAND and at > NOW
end

-- an empty time takes the member out
local function take_time()
  return { member = take(), at = take() }
end

-- whether workers should look at the schedule: they look every second by themselves
local function is_soon(time)
  return time.at ~= '' and tonumber(time.at) < NOW + 1000
end

local function set_time(key, time)
  if time.at == '' then
    mutate('ZREM', key, time.member)
  else
    mutate('ZADD', key, time.at, time.member)
  end
end
