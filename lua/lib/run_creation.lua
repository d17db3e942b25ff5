-- A new run: all its parts, and its places among the runs of its flow and of its status.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/counters
--- @include lib/key_types
--- @include lib/run_index

-- what the keys of a run are, in the order of its parts
local RUN_PARTS = { 'HSET', 'HSET', 'HSET', 'HSET', 'RPUSH', 'HSET', 'RPUSH', 'RPUSH', 'RPUSH', 'HSET' }

local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
  local sequence = number_at(meta, 'runs') + 1
  -- a new run has no keys yet, so that none of them has another type
  if redis.call('EXISTS', unpack(keys)) > 0 then
    for i, command in ipairs(RUN_PARTS) do
      local expect = command == 'HSET' and expect_hashes or expect_lists
      expect(keys[i])
    end
  end
  expect_sorted_sets(runs_by_status)
  local head, place = parts[1], string.format('%016d', sequence) .. run_id
  local status = value_of(head, 'status')
  head[#head + 1], head[#head + 2] = 'sequence', numeral(sequence)
  mutate('ZADD', runs, 0, prefix .. place)
  mutate('ZADD', runs_by_status, 0, STATUS_BYTE[status] .. place)
  mutate('HSET', meta, 'runs', sequence)
  for i, command in ipairs(RUN_PARTS) do
    in_chunks(command, keys[i], parts[i])
  end
end
