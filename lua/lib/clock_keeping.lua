-- Keeps the time of the fleet from going back. How far it has come is noted about every second.

--- @include lib/fleet_clock
--- @include lib/mutate

local NOTED_MS = 1000

local latest, set_back_by

-- as read_clock, for a script that notes the time as the last thing it does; returns what is in another field
local function keep_clock(meta, beside)
  read_clock(meta)
  local noted, other = unpack(redis.call('HMGET', meta, 'clock_ms', beside or 'clock_ms'), 1, 2)
  latest = number_in(noted or '') or 0
  if NOW < latest then
    set_back_by = latest - NOW
    NOW = latest
  end
  return other
end

local function note_clock(meta)
  if set_back_by then
    mutate('HSET', meta, 'clock_ahead_ms', decimal(renewed_field(meta, 'clock_ahead_ms') + set_back_by))
  elseif NOW >= latest + NOTED_MS then
    mutate('HSET', meta, 'clock_ms', decimal(NOW))
  end
end
