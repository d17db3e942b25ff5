-- Store how far a schedule of a flow is.
--
-- ARGV   at: when it is due (ms), '' = it is not; expected: revision
-- Reply  WON | LOST (it has another revision, or is gone)
-- Leaves the schedule due at that time; nothing when lost.

--- @include lib/schedule_documents

--- @keys meta schedules scheduled
--- @args name document at expected
local stored = redis.call('HGET', schedules, name)
if not stored then expect_whole('HLEN', schedules) end
local current, digest = schedule_in(stored)
if not digest or expected ~= current then return LOST end
expect_sorted_sets(scheduled)

mutate('HSET', schedules, name, new_schedule_revision(meta, current) .. ' ' .. digest .. ' ' .. document)
set_due(scheduled, name, at)
return WON
