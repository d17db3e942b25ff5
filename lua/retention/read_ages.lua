-- Read of some runs what says how long they are kept.
--
-- KEYS   hashes: that of each run
-- ARGV   fields: which
-- Reply  the values of each run
-- Leaves everything as it was.

--- @include lib/arguments

--- @keys hashes*
--- @args fields*
local rows = {}
for i, hash in ipairs(hashes) do rows[i] = redis.call('HMGET', hash, unpack(fields)) end
return rows
