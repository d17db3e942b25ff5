-- Delete the events before a moment.
--
-- KEYS   1 events   2 events by time
-- ARGV   the moment, in the order that sorts as text
-- Reply  number of deleted events
-- Leaves the events of that moment and later ones, and all identities.

local AT_ONCE = 1000

-- counted first: a Cluster that is moving the namespace takes a key that has become empty for one that has moved
local left, deleted = redis.call('ZLEXCOUNT', KEYS[2], '-', '(' .. ARGV[1]), 0
while left > 0 do
  local places = redis.call('ZRANGEBYLEX', KEYS[2], '-', '(' .. ARGV[1], 'LIMIT', 0, AT_ONCE)
  local ids = {}
  for i, place in ipairs(places) do
    ids[i] = string.match(place, ':(%d+)$') .. '-0'
  end
  deleted = deleted + redis.call('XDEL', KEYS[1], unpack(ids))
  left = left - redis.call('ZREM', KEYS[2], unpack(places))
end
return deleted
