-- The public status of a run. A terminal one is final, and sets the time of completion once.

--- @include lib/clock
--- @include lib/mutate

local TERMINAL = { completed = true, failed = true, canceled = true }

local function may_change(key, expected)
  local status = redis.call('HGET', key, 'status')
  return status == expected and not TERMINAL[status]
end

local function set_status(key, status)
  mutate('HSET', key, 'status', status)
  if TERMINAL[status] then
    mutate('HSETNX', key, 'completed_at', now())
  end
end
