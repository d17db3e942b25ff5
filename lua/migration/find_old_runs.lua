-- Tell which runs an older release has left in its own form.
--
-- KEYS   hashes: those of the runs
-- Reply  of each run 0, or 1 if its records are not counted, or it has no sequence of its creation; 0 of one that is gone
-- Leaves everything as it was.

--- @keys hashes*
local found = {}
for i, hash in ipairs(hashes) do
  local status, counted, sequence = unpack(redis.call('HMGET', hash, 'status', 'counted', 'sequence'), 1, 3)
  found[i] = status and not (counted and sequence) and 1 or 0
end
return found
