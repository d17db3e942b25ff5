-- Delete the events before a moment, but for those of some kinds.
--
-- ARGV   moment: in the order that sorts as text; kept: how the JSON of a kind that stays begins, none if all are to go
-- Reply  number of deleted events
-- Leaves the events of that moment and later ones, those that are kept, and all identities.

--- @include lib/arguments
--- @include lib/mutate

local AT_ONCE = 1000

-- What is kept moves behind all times in the order, so that the next prune does not come by it again.
local KEPT = 'k'

--- @keys meta events events_by_time
--- @args moment kept*
expect_whole('XLEN', events)
expect_whole('ZCARD', events_by_time)

local stays = {}
for _, beginning in ipairs(kept) do stays[beginning] = true end

-- a kind is opaque but for its beginning, which is compared as bytes
local function is_kept(id)
  local entry = redis.call('XRANGE', events, id, id)[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'kind' then return stays[string.match(entry[2][i + 1], '^[^,}]*')] end
  end
  return false
end

-- counted first: a Cluster that is moving the namespace takes a key that has become empty for one that has moved
local function prune(first, last)
  local left, deleted = redis.call('ZLEXCOUNT', events_by_time, first, last), 0
  while left > 0 do
    local places = redis.call('ZRANGEBYLEX', events_by_time, first, last, 'LIMIT', 0, AT_ONCE)
    local gone = {}
    for _, place in ipairs(places) do
      local id = string.match(place, ':(%d+)$') .. '-0'
      if #kept > 0 and is_kept(id) then
        mutate('ZADD', events_by_time, 0, KEPT .. place)
      else
        gone[#gone + 1] = id
      end
    end
    if #gone > 0 then deleted = deleted + mutate('XDEL', events, unpack(gone)) end
    left = left - mutate('ZREM', events_by_time, unpack(places))
  end
  return deleted
end

local deleted = prune('-', '(' .. moment)
if #kept == 0 then deleted = deleted + prune('[' .. KEPT, '(' .. KEPT .. moment) end
return deleted
