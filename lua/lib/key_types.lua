-- A key that damage has left with another type refuses its write. A script that writes several keys reads each of them
-- before its first write, so that it is refused as a whole; a key that was compared has been read already.

local function expect_hashes(...)
  for _, key in ipairs({ ... }) do redis.call('HLEN', key) end
end

local function expect_lists(...)
  for _, key in ipairs({ ... }) do redis.call('LLEN', key) end
end

local function expect_sorted_sets(...)
  for _, key in ipairs({ ... }) do redis.call('ZCARD', key) end
end
