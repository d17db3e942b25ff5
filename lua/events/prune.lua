-- Delete the events before a moment, but for those of some kinds.
--
-- ARGV   moment: in the order that sorts as text; kept: how the JSON of a kind that stays begins, none if all are to go
-- Reply  number of deleted events
-- Leaves the events of that moment and later ones, those that are kept, and all identities.

--- @include lib/arguments
--- @include lib/mutate
--- @include lib/prunable_events

local AT_ONCE = 1000

--- @keys meta events events_by_time
--- @args moment kept*
expect_whole('XLEN', events)
expect_whole('ZCARD', events_by_time)

-- counted first: a Cluster that is moving the namespace takes a key that has become empty for one that has moved
local function prune(first, last)
  local left, deleted = redis.call('ZLEXCOUNT', events_by_time, first, last), 0
  while left > 0 do
    local places = redis.call('ZRANGEBYLEX', events_by_time, first, last, 'LIMIT', 0, AT_ONCE)
    local stays = #kept > 0 and those_that_stay(events, places, kept)
    local gone = {}
    for _, place in ipairs(places) do
      local id = id_of_place(place)
      if stays and stays(id) then
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
