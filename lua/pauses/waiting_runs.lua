-- Read which runs of a mob have executions that wait, some at a time.
--
-- ARGV   letter: 'w' for those that wait, 's' for suspects, 'v' and 't' for the same with limits; mob: what its queues begin with; after: what the last reply ended
--        with, '' = from the first; most: greatest number
-- Reply  how the members of `queued`, of those with limits of `gated`, begin, up to the id of the run: one for each run and
--        queue, or lane
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/gates
--- @include lib/lexical_order

-- what stands behind the queue, or the lane: the rank of a priority and the packed id of a run
local RANK_AND_RUN = 39

--- @keys meta queued gated
--- @args letter mob after most
local key = (letter == 'v' or letter == 't') and gated or queued
if after == '' then expect_whole('ZCARD', key) end
local prefix, found = letter .. mob, {}
local member
if after == '' then member = beginning_with(key, prefix, 1)[1] else member = first_behind(key, prefix, after) end
-- in a member with one letter before its entry
local function end_of_lane(one)
  local lane = lane_of(string.sub(one, 2))
  return lane and lane.last + 1 or queue_end(one, 2)
end

while member and #found < tonumber(most) do
  local beginning = string.sub(member, 1, end_of_lane(member) + RANK_AND_RUN)
  found[#found + 1] = beginning
  member = first_behind(key, prefix, beginning)
end
return found
