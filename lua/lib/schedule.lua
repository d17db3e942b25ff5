-- What must happen when: sorted sets by milliseconds of the server's clock.

--- @include lib/arguments
--- @include lib/mutate

-- an empty time takes the member out
local function take_time()
  return { member = take(), at = take() }
end

local function set_time(key, time)
  if time.at == '' then
    mutate('ZREM', key, time.member)
  else
    mutate('ZADD', key, time.at, time.member)
  end
end
