-- What the fleet needs of a run that is started, beside the run: when to look at it, its definition, and the limits of its
-- roles, which are those that a run was started with last.

--- @include lib/announce
--- @include lib/chunks
--- @include lib/fleet_clock
--- @include lib/key_types

-- checks what is written, and reads the clock
local function expect_start(meta, definitions, due, limits, digest)
  if redis.call('HEXISTS', definitions, digest) == 0 then expect_whole('HLEN', definitions) end
  expect_sorted_sets(due)
  expect_hashes(limits)
  read_clock(meta)
end

-- When a run was launched that begins at some time (ms). One that begins now has the clock in full: it was not launched
-- before it was created.
local function launched_at(begins)
  return numeral(begins > NOW and begins * 1000 or MICROSECONDS)
end

-- one that waits for its turn is not due
local function enter_start(definitions, due, limits, channel, start)
  mutate('HSETNX', definitions, start.digest, start.definition)
  if not start.waits then mutate('ZADD', due, decimal(start.begins), start.run_id) end
  in_chunks('HSET', limits, start.limited)
  in_chunks('HDEL', limits, start.unlimited)
  announce(channel, start.run_id .. (start.waits and ' changed' or ' due'))
end
