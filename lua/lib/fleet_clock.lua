-- The time of the fleet: the server's clock, but never earlier than it was. When the clock is set back, or a failover leads
-- to a host whose clock is behind, all delays and leases would last that much longer; so the difference is added from then
-- on. How far the clock had come is noted about every second; a field that cannot be read counts as 0, and is set again.

--- @include lib/clock
--- @include lib/counters
--- @include lib/mutate

local NOTED_MS = 1000

-- in milliseconds; see read_clock
local NOW

local function clock_field(meta, name)
  return number_in(redis.call('HGET', meta, name) or '') or 0
end

-- in microseconds
local function fleet_now(meta)
  return tonumber(now()) + clock_field(meta, 'clock_ahead_ms') * 1000
end

-- sets NOW; asked for once, since a commit may set the times of thousands of executions
local function read_clock(meta)
  NOW = math.floor(fleet_now(meta) / 1000)
end

-- as read_clock, for scripts that may write before their first answer
local function keep_clock(meta)
  read_clock(meta)
  local latest = clock_field(meta, 'clock_ms')
  if NOW < latest then
    mutate('HSET', meta, 'clock_ahead_ms', decimal(clock_field(meta, 'clock_ahead_ms') + latest - NOW))
    NOW = latest
  elseif NOW >= latest + NOTED_MS then
    mutate('HSET', meta, 'clock_ms', decimal(NOW))
  end
end
