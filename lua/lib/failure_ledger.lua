-- The failure ledger: rows in a list, and an index of the steps that failed and of what was said of each.

--- @include lib/arguments
--- @include lib/mutate

local function take_failure_row()
  return { row = take(), step = take(), content = take() }
end

local function append_failure_row(rows, index, entry)
  mutate('RPUSH', rows, entry.row)
  mutate('HSET', index, entry.step, 1, entry.content, 1)
end
