-- What belongs to a run, as one array for each of its keys: fields and values of a hash, or items of a list. The last array
-- has the size of the index, which is not read. Its core is what decisions look at (contract: executions-2).

--- @include lib/counts

local function fields(key)
  return redis.call('HGETALL', key)
end

local function items(key)
  return redis.call('LRANGE', key, 0, -1)
end

local function read_core(run, frames, loops, outputs, failures, index)
  return { fields(run), fields(frames), fields(loops), fields(outputs), items(failures), { redis.call('HLEN', index) } }
end

local function read_run(run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index)
  return { fields(run), fields(frames), fields(loops), fields(outputs), items(steps), fields(step_outputs),
    items(failures), items(iterations), items(inputs), { redis.call('HLEN', index) } }
end
