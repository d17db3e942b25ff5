-- Read what tells in which form a namespace is.
--
-- Reply  nil if there is none | {fields of `meta` and their values, now (ms), workers and when their leases expire (ms), in
--        turns, ids of seal keys in use without a check value}
-- Leaves everything as it was.

--- @include lib/fleet_clock

--- @keys meta workers seal_keys seal_key_checks
if redis.call('EXISTS', meta) == 0 then return nil end
read_clock(meta)
local unchecked = {}
for _, id in ipairs(redis.call('SMEMBERS', seal_keys)) do
  if redis.call('HEXISTS', seal_key_checks, id) == 0 then unchecked[#unchecked + 1] = id end
end
return { redis.call('HGETALL', meta), NOW, redis.call('ZRANGE', workers, 0, -1, 'WITHSCORES'), unchecked }
