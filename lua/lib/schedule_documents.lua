-- Schedules of flows: "<revision> <digest of the definition> <document>" by name. `schedule_definitions` has a member for
-- each, made of that digest and the name, by which a definition is known to be in use.

--- @include lib/counters
--- @include lib/fleet_clock
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies

-- the revision of a schedule as decimal text, '0' if there is none; and the digest of its definition
local function schedule_in(stored)
  if not stored then return '0' end
  return string.match(stored, '^(%d+) (%x+) ')
end

-- A revision that no schedule of the namespace had before. Should its counter be lost, it is behind that of the schedule.
local function new_schedule_revision(meta, current)
  local last = math.max(renewed_field(meta, 'schedule_revision'), number_in(current or '') or 0)
  mutate('HSET', meta, 'schedule_revision', decimal(last + 1))
  return decimal(last + 1)
end

local function set_due(scheduled, name, at)
  if at == '' then
    mutate('ZREM', scheduled, name)
  else
    mutate('ZADD', scheduled, at, name)
  end
end
