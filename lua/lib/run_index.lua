-- The index of the runs by their status, made of what stands elsewhere: a sorted set in lexical order. A place in it is a
-- byte for the status, and the end of the run's place among all runs: sequence of creation (16 digits), run id.
-- Runs of older releases are not in it, and those that these change stand where they were (contract: operations-2).

--- @include lib/counters
--- @include lib/key_types
--- @include lib/mutate

local STATUS_BYTE = { pending = 'p', running = 'r', completed = 'c', failed = 'f', canceled = 'x' }

local END_OF_PLACE = 52

-- The end of the place of a run, nil of one that an older release has created. `sequence` is what its hash has. It comes
-- before the first write, which it keeps from happening if the index is none.
local function indexed_place(run, runs_by_status, sequence)
  expect_sorted_sets(runs_by_status)
  local number = number_at(run, 'sequence', sequence)
  return number > 0 and string.format('%016d', number) .. string.sub(run, -36) or nil
end

-- places of a run under all statuses but one
local function other_places(status, place)
  local found = {}
  for name, byte in pairs(STATUS_BYTE) do
    if name ~= status then found[#found + 1] = byte .. place end
  end
  return found
end

-- The next place comes before the others go: the index is never empty between. The run stands at a status that is not
-- terminal, and at another one of these than it has if an older release has changed it.
local function move_in_index(runs_by_status, place, status)
  local byte = STATUS_BYTE[status]
  mutate('ZADD', runs_by_status, 0, byte .. place)
  if byte == 'p' then
    mutate('ZREM', runs_by_status, 'r' .. place)
  elseif byte == 'r' then
    mutate('ZREM', runs_by_status, 'p' .. place)
  else
    mutate('ZREM', runs_by_status, 'r' .. place, 'p' .. place)
  end
end
