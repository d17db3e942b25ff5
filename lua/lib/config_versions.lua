-- How the versions of config documents are written: '<revision> 0<time>' and a line feed, so that one which was cut short
-- is noticed; older releases wrote neither the 0 nor the line feed. A past version has a space and the document behind it.

-- past versions of a document; with the present one it has 20
local PAST = 19

-- digits of a revision of 64 bits, and of microseconds since 1970 for some thousand years
local MOST_OF_REVISION, MOST_OF_TIME = 20, 17

local function is_version(text)
  local revision, time = string.match(text, '^(%d+) 0(%d+)\n$')
  if not revision then revision, time = string.match(text, '^(%d+) ([1-9]%d*)$') end
  return revision ~= nil and #revision <= MOST_OF_REVISION and #time <= MOST_OF_TIME
end

local function is_past_version(text)
  local version = string.match(text, '^(%d+ %d+\n?) .')
  return version and is_version(version)
end

-- the field of the n-th version that a document ever lost: past versions stand in a ring, 'n' counts them
local function past_field(place, number)
  return number % PAST .. ':' .. place
end
