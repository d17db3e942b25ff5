-- Store a schedule of a flow, and its definition.
--
-- ARGV   digest: of its definition; definition: '' = it is not stored; at: when it is due (ms), '' = it is not; expected:
--        revision; '' = any, 0 = absent
-- Reply  the new revision | LOST (it has another one)
-- Leaves the schedule due at that time, and its definition in use; nothing when lost. Wakes workers.

--- @include lib/announce
--- @include lib/schedule_documents

--- @keys meta schedules scheduled schedule_definitions definitions channel
--- @args name document digest definition at expected
if at ~= '' and not tonumber(at) then error('the time at which it is due is no number') end
local stored = redis.call('HGET', schedules, name)
if not stored then expect_whole('HLEN', schedules) end
local current, used = schedule_in(stored)
expect_sorted_sets(scheduled, schedule_definitions)
if used and not redis.call('ZSCORE', schedule_definitions, used .. ' ' .. name) then
  expect_whole('ZCARD', schedule_definitions)
end
if expected ~= '' and expected ~= current then return LOST end
if redis.call('HEXISTS', definitions, digest) == 0 then expect_whole('HLEN', definitions) end

local revision = new_schedule_revision(meta, current)
mutate('HSET', schedules, name, revision .. ' ' .. digest .. ' ' .. document)
if definition ~= '' then mutate('HSETNX', definitions, digest, definition) end
mutate('ZADD', schedule_definitions, 0, digest .. ' ' .. name)
if used and used ~= digest then mutate('ZREM', schedule_definitions, used .. ' ' .. name) end
set_due(scheduled, name, at)
announce(channel, 'schedules')
return revision
