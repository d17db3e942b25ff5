-- Which events a prune deletes: those before a moment, but for those of some kinds.

-- What is kept moves behind all times in the order, so that the next prune does not come by it again.
local KEPT = 'k'

-- a kind is opaque but for its beginning, which is compared as bytes
local function is_one_of(events, id, beginnings)
  local entry = redis.call('XRANGE', events, id, id)[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'kind' then return beginnings[string.match(entry[2][i + 1], '^[^,}]*')] end
  end
  return false
end

local function id_of_place(place)
  return string.match(place, ':(%d+)$') .. '-0'
end
