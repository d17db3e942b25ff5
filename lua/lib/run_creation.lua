-- A new run: all its parts, and its place among the runs of its flow.

--- @include lib/arguments
--- @include lib/chunks

local RUN_PARTS = { 'HSET', 'HSET', 'HSET', 'HSET', 'RPUSH', 'HSET', 'RPUSH', 'RPUSH', 'RPUSH', 'HSET' }

-- KEYS 1-10: the parts of the run; meta and runs as given
local function create_run(meta, runs)
  local run_id, prefix = take(), take()
  for i, command in ipairs(RUN_PARTS) do
    in_chunks(command, KEYS[i], take_list())
  end
  local sequence = redis.call('HINCRBY', meta, 'runs', 1)
  redis.call('ZADD', runs, 0, prefix .. string.format('%016d', sequence) .. run_id)
end
