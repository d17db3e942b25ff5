-- Read which runs of a mob have executions that wait, some at a time.
--
-- ARGV   letter: 'w' for those that wait, 's' for suspects; mob: what its queues begin with; after: what the last reply ended
--        with, '' = from the first; most: greatest number
-- Reply  how the members of `queued` begin, up to the id of the run, one for each run and queue
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/lexical_order
--- @include lib/queue_parts

-- what stands behind the queue: the rank of a priority and the packed id of a run
local RANK_AND_RUN = 39

--- @keys meta queued
--- @args letter mob after most
if after == '' then expect_whole('ZCARD', queued) end
local prefix, found = letter .. mob, {}
local member
if after == '' then member = beginning_with(queued, prefix, 1)[1] else member = first_behind(queued, prefix, after) end
while member and #found < tonumber(most) do
  local beginning = string.sub(member, 1, queue_end(member, 2) + RANK_AND_RUN)
  found[#found + 1] = beginning
  member = first_behind(queued, prefix, beginning)
end
return found
