-- The step ledger: rows without their output in a list, outputs by row number beside it, and an index of
-- what a row was for (step, agent, status) and of the last row of each step.

--- @include lib/arguments
--- @include lib/mutate

local function take_step_row()
  return { row = take(), output = take(), identity = take(), step = take() }
end

local function append_step_row(rows, outputs, index, entry)
  local number = mutate('RPUSH', rows, entry.row) - 1
  if entry.output ~= '' then
    mutate('HSET', outputs, number, entry.output)
  end
  mutate('HSET', index, entry.identity, number, entry.step, number)
end

local function append_step_row_once(rows, outputs, index, entry)
  if redis.call('HEXISTS', index, entry.identity) == 1 then return false end
  expect_whole('HLEN', index)
  append_step_row(rows, outputs, index, entry)
  return true
end
