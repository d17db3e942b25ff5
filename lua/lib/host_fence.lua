-- The fence of a host store: the highest token that was given, until when its holder counts as live, in milliseconds of the
-- fleet's clock, and how many commits there were.

--- @include lib/counters
--- @include lib/counts
--- @include lib/fleet_clock

-- token, end of the lease and number of commits; 0 for each if no token was ever given
local function fence_at(key)
  local fields = redis.call('HMGET', key, 'token', 'until', 'commits')
  if not (fields[1] and fields[2] and fields[3]) then expect_whole('HLEN', key) end
  return number_at(key, 'token', fields[1]), number_at(key, 'until', fields[2]), number_at(key, 'commits', fields[3])
end
