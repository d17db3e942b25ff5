-- Whether a run exists: its hash does. Its index has a field from the beginning, so that a hash that was lost is told
-- from a run that never was. A status that cannot be read is damage, too.

--- @include lib/damage

local TERMINAL = { pending = false, running = false, completed = true, failed = true, canceled = true }

local function run_exists(run, index)
  if redis.call('HLEN', run) > 0 then return true end
  if redis.call('HLEN', index) > 0 then damaged(run, 'it is gone, and its index is not') end
  return false
end

-- The status that a run has in its hash, false if there is no such run.
local function checked_status(run, index, status)
  if TERMINAL[status] == nil and (status or run_exists(run, index)) then damaged(run, 'its status cannot be read') end
  return status
end

local function status_of(run, index)
  return checked_status(run, index, redis.call('HGET', run, 'status'))
end
