-- How many runs stand under each status.
--
-- ARGV   statuses: the bytes of these; must_be_whole: 1 if the index is to hold as many runs as there are
-- Reply  nil if it does not; or how many stand under each
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/run_listing

--- @keys meta runs runs_by_status
--- @args statuses* must_be_whole
expect_all_runs(meta, runs)
if must_be_whole == '1' and redis.call('ZCARD', runs_by_status) ~= redis.call('ZCARD', runs) then return nil end
local counts = {}
for i, status in ipairs(statuses) do
  counts[i] = redis.call('ZLEXCOUNT', runs_by_status, '[' .. status, '(' .. status .. '\255')
end
return counts
