-- The time of the fleet: the server's clock, but never earlier than it was. When the clock is set back, or a failover leads
-- to a host whose clock is behind, all delays and leases would last that much longer; so the difference is added from then
-- on (see lib/clock_keeping). A field that cannot be read counts as 0, and is set again. It measures; events tell the time of
-- the server (decision 0022).

--- @include lib/clock
--- @include lib/counters

-- in milliseconds, and in microseconds; see read_clock
local NOW, MICROSECONDS

-- a number of `meta` that is set again when it is lost
local function renewed_field(meta, name)
  return number_in(redis.call('HGET', meta, name) or '') or 0
end

-- in microseconds
local function fleet_now(meta)
  return tonumber(now()) + renewed_field(meta, 'clock_ahead_ms') * 1000
end

-- asked for once, since a commit may set the times of thousands of executions
local function read_clock(meta)
  MICROSECONDS = fleet_now(meta)
  NOW = math.floor(MICROSECONDS / 1000)
end
