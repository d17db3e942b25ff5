-- The public status of a run. A terminal one is final, and sets the time of completion once.

--- @include lib/clock
--- @include lib/counters
--- @include lib/mutate
--- @include lib/run_head
--- @include lib/run_index

local function is_open(status, expected)
  return status == expected and not TERMINAL[status]
end

local function may_change(run, index, expected)
  return is_open(status_of(run, index), expected)
end

-- `place` is that of the run in the index, from before the first write; `at` is the time of completion, as lib/counters
-- marks numbers; the server's time if it is not given
local function set_status(key, runs_by_status, place, status, at)
  mutate('HSET', key, 'status', status)
  if place then move_in_index(runs_by_status, place, status) end
  if TERMINAL[status] then
    mutate('HSETNX', key, 'completed_at', at or numeral_now())
  end
end
