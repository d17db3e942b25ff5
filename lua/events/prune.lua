-- Delete the events before a moment.
--
-- ARGV   moment: in the order that sorts as text
-- Reply  number of deleted events
-- Leaves the events of that moment and later ones, and all identities.

--- @include lib/mutate

local AT_ONCE = 1000

--- @keys events events_by_time
--- @args moment
-- counted first: a Cluster that is moving the namespace takes a key that has become empty for one that has moved
local left, deleted = redis.call('ZLEXCOUNT', events_by_time, '-', '(' .. moment), 0
while left > 0 do
  local places = redis.call('ZRANGEBYLEX', events_by_time, '-', '(' .. moment, 'LIMIT', 0, AT_ONCE)
  local cursors = {}
  for i, place in ipairs(places) do
    cursors[i] = string.match(place, ':(%d+)$') .. '-0'
  end
  deleted = deleted + mutate('XDEL', events, unpack(cursors))
  left = left - mutate('ZREM', events_by_time, unpack(places))
end
return deleted
