-- Bring back a part of what a flow had waiting when it was resumed.
--
-- ARGV   flow: which one, as queues name it; most: greatest number of executions
-- Reply  1 if more is left, 0 if nothing is, or the flow is paused again
-- Leaves these executions in their queues, and all workers woken.

--- @include lib/announce
--- @include lib/bringing_back
--- @include lib/key_types

--- @keys meta pauses queued lost gated channel
--- @args flow most
expect_sorted_sets(queued, gated)
expect_hashes(lost)
if redis.call('HEXISTS', pauses, 'b' .. flow) == 0 then return 0 end
local is_more = bring_back_some(pauses, queued, lost, gated, flow, most)
announce(channel, '')
return is_more and 1 or 0
