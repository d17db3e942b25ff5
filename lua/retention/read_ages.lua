-- Read of some runs what says how long they are kept.
--
-- KEYS   hashes: that of each run
-- ARGV   fields: which
-- Reply  for each run: {the values, how many fields its hash has}
-- Leaves everything as it was.

--- @include lib/arguments

--- @keys hashes*
--- @args fields*
local rows = {}
for i, hash in ipairs(hashes) do rows[i] = { redis.call('HMGET', hash, unpack(fields)), redis.call('HLEN', hash) } end
return rows
