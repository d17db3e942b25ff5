-- The public status of a run. A terminal one is final, and sets the time of completion once.

--- @include lib/clock

local TERMINAL = { completed = true, failed = true, canceled = true }

local function may_change(key, expected)
  local status = redis.call('HGET', key, 'status')
  return status == expected and not TERMINAL[status]
end

local function set_status(key, status)
  redis.call('HSET', key, 'status', status)
  if TERMINAL[status] then
    redis.call('HSETNX', key, 'completed_at', now())
  end
end
