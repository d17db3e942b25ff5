-- Read what a worker holds.
--
-- Reply  the entries of its executions
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta queued
--- @args id
expect_whole('ZCARD', queued)
local prefix, found = 'h' .. id .. '\0', {}
for i, member in ipairs(redis.call('ZRANGE', queued, '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX')) do
  found[i] = string.sub(member, #prefix + 2)
end
return found
