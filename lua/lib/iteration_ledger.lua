-- The loop iteration ledger: a row is its own identity and stands in it once.

--- @include lib/arguments
--- @include lib/mutate

local function take_iteration_row()
  return { row = take(), identity = take() }
end

local function append_iteration_once(rows, index, entry)
  if redis.call('HEXISTS', index, entry.identity) == 0 then
    expect_whole('HLEN', index)
    mutate('RPUSH', rows, entry.row)
    mutate('HSET', index, entry.identity, 1)
  end
end
