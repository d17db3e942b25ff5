-- The loop iteration ledger: a row is its own identity and stands in it once.

--- @include lib/arguments

local function take_iteration_row()
  return { row = take(), identity = take() }
end

local function append_iteration_once(rows, index, entry)
  if redis.call('HSETNX', index, entry.identity, 1) == 1 then
    redis.call('RPUSH', rows, entry.row)
  end
end
