-- The step ledger: rows without their output in a list, outputs by row number beside it, and an index of
-- what a row was for (step, agent, status) and of the last row of each step.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/counters
--- @include lib/many_fields

local function take_step_row()
  return { row = take(), output = take(), identity = take(), step = take() }
end

local function append_step_rows(rows, outputs, index, entries)
  local appended, kept, identities = {}, {}, {}
  for i, entry in ipairs(entries) do appended[i] = entry.row end
  local length = in_chunks('RPUSH', rows, appended)
  for i, entry in ipairs(entries) do
    local number = decimal(length - #entries + i - 1)
    if entry.output ~= '' then kept[#kept + 1], kept[#kept + 2] = number, entry.output end
    local at = #identities
    identities[at + 1], identities[at + 2], identities[at + 3], identities[at + 4] =
      entry.identity, number, entry.step, number
  end
  in_chunks('HSET', outputs, kept)
  in_chunks('HSET', index, identities)
end

-- adds to `entries` those of others that the ledger does not have, and `entries` neither
local function add_absent_step_rows(index, entries, others)
  if #others == 0 then return end
  local identities, added, found = {}, {}, #entries
  for i, entry in ipairs(others) do identities[i] = entry.identity end
  local numbers = values_of(index, identities)
  for _, entry in ipairs(entries) do added[entry.identity] = true end
  for i, entry in ipairs(others) do
    if not numbers[i] and not added[entry.identity] then
      entries[#entries + 1], added[entry.identity] = entry, true
    end
  end
  if #entries > found then expect_whole('HLEN', index) end
end
