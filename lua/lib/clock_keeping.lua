-- Keeps the time of the fleet from going back. How far it has come is noted about every second.

--- @include lib/fleet_clock
--- @include lib/mutate

local NOTED_MS = 1000

-- as read_clock, for scripts that may write before their first answer
local function keep_clock(meta)
  read_clock(meta)
  local latest = renewed_field(meta, 'clock_ms')
  if NOW < latest then
    mutate('HSET', meta, 'clock_ahead_ms', decimal(renewed_field(meta, 'clock_ahead_ms') + latest - NOW))
    NOW = latest
  elseif NOW >= latest + NOTED_MS then
    mutate('HSET', meta, 'clock_ms', decimal(NOW))
  end
end
