-- Put aside what some runs of a paused flow have waiting.
--
-- ARGV   flow: which one, as queues name it; beginnings: of members of `queued` and `gated`, as
--        waiting_runs reads them
-- Reply  WON | LOST (the flow is not paused any more)
-- Leaves these executions where no worker looks, until the flow is resumed; what is overdue stays, to be ended.

--- @include lib/counts
--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/replies
--- @include lib/schedule

--- @keys meta pauses queued gated
--- @args flow beginnings*
if redis.call('HEXISTS', pauses, 'f' .. flow) == 0 then
  expect_whole('HLEN', pauses)
  return LOST
end
expect_sorted_sets(queued, gated)
local members, in_lanes, aside = {}, {}, {}
for _, beginning in ipairs(beginnings) do
  for _, member in ipairs(beginning_with(gated, beginning)) do
    in_lanes[#in_lanes + 1] = member
    aside[#aside + 1] = 'pf' .. flow .. string.sub(member, 2)
  end
  for _, member in ipairs(beginning_with(queued, beginning)) do
    members[#members + 1] = member
    aside[#aside + 1] = 'pf' .. flow .. string.sub(member, 2)
  end
end
in_chunks('ZREM', queued, members)
in_chunks('ZREM', gated, in_lanes)
in_chunks('ZADD', queued, scored(aside))
return WON
