-- The oldest places of runs of a flow.
--
-- ARGV   flow: what the places of its runs begin with; after: the sequence of creation (16 digits) that they are behind, ''
--        to begin; most: how many
-- Reply  the places, in the order of creation
-- Leaves everything as it was.

--- @include lib/run_listing

--- @keys meta runs
--- @args flow after most
expect_all_runs(meta, runs)
local first = after == '' and '[' .. flow or '(' .. flow .. after .. '\255'
return redis.call('ZRANGE', runs, first, '(' .. flow .. '\255', 'BYLEX', 'LIMIT', 0, most)
