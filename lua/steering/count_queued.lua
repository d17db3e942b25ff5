-- Count what waits and what is held in each queue, at the cost of a few steps for each.
--
-- ARGV   after: a member of the schedule, or the beginning of some, behind which it goes on, '' = from the first; most:
--        greatest number of counts
-- Reply  {now (ms), what stands before each queue and the queue, where the queue begins in that, and how many, in turns}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/fleet_clock
--- @include lib/lexical_order
--- @include lib/queue_parts

-- the id of a run stands behind 'pr' (see lib/pauses)
local ID = 36

--- @keys meta queued
--- @args after most
local found = {}
if after == '' then expect_whole('ZCARD', queued) end

local member = first_after(queued, after, '')
while member and #found < 3 * most do
  local letter, start = string.sub(member, 1, 1), 2
  -- what counts against a limit is listed beside the rest (see lib/schedule)
  if letter == 'l' then
    member = first_after(queued, letter, '')
  else
    -- behind the worker and its zero byte stands a letter that tells a suspect
    if letter == 'h' then
      start = string.find(member, '\0', 1, true) + 2
    elseif letter == 'p' then
      start = string.byte(member, 2) == 114 and 3 + ID or part_end(member, part_end(member, 3) + 1) + 1
    end
    local beginning = string.sub(member, 1, queue_end(member, start))
    found[#found + 1], found[#found + 2], found[#found + 3] = beginning, start - 1, number_with(queued, beginning)
    member = first_after(queued, beginning, '')
  end
end
read_clock(meta)
return { NOW, found }
