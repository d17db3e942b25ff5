-- Read what a worker holds.
--
-- Reply  the entries of its executions
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/lexical_order

--- @keys meta queued
--- @args id
expect_whole('ZCARD', queued)
local prefix, found = 'h' .. id .. '\0', {}
for i, member in ipairs(beginning_with(queued, prefix)) do
  found[i] = string.sub(member, #prefix + 2)
end
return found
