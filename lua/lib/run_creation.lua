-- A new run: all its parts, and its place among the runs of its flow.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/counters
--- @include lib/key_types

-- what the keys of a run are, in the order of its parts
local RUN_PARTS = { 'HSET', 'HSET', 'HSET', 'HSET', 'RPUSH', 'HSET', 'RPUSH', 'RPUSH', 'RPUSH', 'HSET' }

local function create_run(keys, parts, meta, runs, run_id, prefix)
  local sequence = number_at(meta, 'runs') + 1
  for i, command in ipairs(RUN_PARTS) do
    local expect = command == 'HSET' and expect_hashes or expect_lists
    expect(keys[i])
  end
  mutate('ZADD', runs, 0, prefix .. string.format('%016d', sequence) .. run_id)
  mutate('HSET', meta, 'runs', sequence)
  for i, command in ipairs(RUN_PARTS) do
    in_chunks(command, keys[i], parts[i])
  end
end
