-- Read the heads of some runs.
--
-- Reply  the head of each, or nil where there is no such run
-- Leaves everything as it was.

--- @keys runs_of*
local heads = {}
for i, run in ipairs(runs_of) do heads[i] = redis.call('HGET', run, 'head') end
return heads
