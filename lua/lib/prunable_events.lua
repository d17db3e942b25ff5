-- Which events a prune deletes: those before a moment, and those that are not among the newest, but for those of some kinds.

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
