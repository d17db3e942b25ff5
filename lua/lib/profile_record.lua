-- A realm profile as it is stored: "<revision> <created at> <updated at> <profile>", times in microseconds.

--- @include lib/revisions
--- @include lib/clock

local function created_at(record)
  return string.match(record, '^%d+ (%d+) ')
end

-- Store a profile with its next revision in the place of another one; without one it is created now. Returns the record.
local function put_profile(profiles, clock, name, before, profile)
  local updated = now()
  local created = before and created_at(before) or updated
  local record = table.concat({ next_revision(clock, name, before), created, updated, profile }, ' ')
  mutate('HSET', profiles, name, record)
  return record
end
