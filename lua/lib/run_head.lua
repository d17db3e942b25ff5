-- Whether a run exists: its hash does. Its index has a field from the beginning, so that a hash that was lost is told
-- from a run that never was.

local function run_exists(run, index)
  if redis.call('HLEN', run) > 0 then return true end
  if redis.call('HLEN', index) > 0 then error('DAMAGED ' .. run .. ' it is gone, and its index is not', 0) end
  return false
end
