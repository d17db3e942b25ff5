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

-- the letters of those that wait: 't' for suspects, 'v' for others
local BEFORE, BEHIND = 's', 'w'

local member = first_after(gated, after == '' and BEFORE or after, BEHIND)
while member and #found < 4 * most do
  local lane = lane_of(string.sub(member, 2))
  local name = string.sub(member, 1, 1) .. lane.name
  found[#found + 1], found[#found + 2] = name, #lane.queue + 1
  found[#found + 1], found[#found + 2] = number_with(gated, name), string.sub(member, 2)
  member = first_after(gated, name, BEHIND)
end
return found
