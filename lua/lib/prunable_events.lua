-- Which events a prune deletes: those before a moment, and those that are not among the newest, but for those of some kinds.

-- What is kept moves behind all times in the order, so that the next prune does not come by it again.
local KEPT = 'k'

local function id_of_place(place)
  return string.match(place, ':(%d+)$') .. '-0'
end

local function kind_of(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'kind' then return entry[2][i + 1] end
  end
  return ''
end

-- Tells of events by their ids whether their kinds begin with one of these. A kind is opaque but for its beginning, which
-- is compared as bytes. The events of these places mostly stand one after the other, and are read together.
local function those_that_stay(events, places, beginnings)
  local stays = {}
  for _, beginning in ipairs(beginnings) do stays[beginning] = true end
  local read = {}
  local first, last = id_of_place(places[1]), id_of_place(places[#places])
  for _, entry in ipairs(redis.call('XRANGE', events, first, last, 'COUNT', #places)) do read[entry[1]] = entry end
  return function(id)
    local entry = read[id] or redis.call('XRANGE', events, id, id)[1]
    return entry ~= nil and stays[string.match(kind_of(entry), '^[^,}]*')] == true
  end
end

-- The end of the range in the order by time that is pruned. `moment` is '' if events of any age stay, `newest` is '' if any
-- number does.
local function end_of_prunable(events_by_time, moment, newest)
  local aged = '(' .. moment
  if newest == '' then return aged end
  local too_many = redis.call('ZLEXCOUNT', events_by_time, '-', '(' .. KEPT) - newest
  if too_many <= redis.call('ZLEXCOUNT', events_by_time, '-', aged) then return aged end
  -- all have the same score, so that the order by rank is the one by time
  local first_kept = redis.call('ZRANGE', events_by_time, too_many, too_many)[1]
  return '(' .. (first_kept or KEPT)
end
