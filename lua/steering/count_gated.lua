-- Count what waits in each lane of executions with limits, at the cost of a few steps for each.
--
-- ARGV   after: what a lane begins with, behind its letter, after which it goes on, '' = from the first; most: greatest
--        number of lanes
-- Reply  {letter and lane, where its queue ends, how many wait, the first of them, in turns}
-- Leaves everything as it was.

--- @include lib/gates

--- @keys meta gated
--- @args after most
local found = {}
if after == '' then expect_whole('ZCARD', gated) end

local function next_behind(text)
  return redis.call('ZRANGE', gated, '[' .. text .. '\255', '(w', 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- the letters of those that wait: suspects, and others
local member = after == '' and redis.call('ZRANGE', gated, '[t', '(w', 'BYLEX', 'LIMIT', 0, 1)[1] or next_behind(after)
while member and #found < 4 * most do
  local lane = lane_of(string.sub(member, 2))
  local name = string.sub(member, 1, 1) .. lane.name
  local number = redis.call('ZLEXCOUNT', gated, '[' .. name, '[' .. name .. '\255')
  found[#found + 1], found[#found + 2], found[#found + 3], found[#found + 4] = name, #lane.queue + 1, number, string.sub(member, 2)
  member = next_behind(name)
end
return found
