-- List members of a sorted set in lexical order: threads, threads of a run, checkpoints of a run.
--
-- ARGV   prefix: of the members; after: the last one that is known, '' = from the first one; most: how many at most
-- Reply  members without the prefix
-- Leaves everything as it was.

--- @keys listed
--- @args prefix after most
local low = after == '' and '[' .. prefix or '(' .. prefix .. after
local found = redis.call('ZRANGE', listed, low, '(' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, most)
for i, member in ipairs(found) do found[i] = string.sub(member, #prefix + 1) end
return found
