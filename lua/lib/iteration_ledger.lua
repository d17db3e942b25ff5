-- The loop iteration ledger: a row is its own identity and stands in it once.

local function append_iteration_once(rows, index, row, identity)
  if redis.call('HSETNX', index, identity, 1) == 1 then
    redis.call('RPUSH', rows, row)
  end
end
