-- Delete a schedule of a flow.
--
-- ARGV   expected: revision; '' = any
-- Reply  WON | LOST (it is absent, or has another revision)
-- Leaves no schedule of the name, and its definition where it is; nothing changes when lost.

--- @include lib/schedule_documents
--- @include lib/when_full

--- @keys meta schedules scheduled schedule_definitions
--- @args name expected
local stored = redis.call('HGET', schedules, name)
if not stored then
  expect_whole('HLEN', schedules)
  return LOST
end
local current, digest = schedule_in(stored)
if expected ~= '' and expected ~= current then return LOST end
expect_sorted_sets(scheduled, schedule_definitions)

write_even_when_full(meta)
mutate('HDEL', schedules, name)
mutate('ZREM', scheduled, name)
if digest then mutate('ZREM', schedule_definitions, digest .. ' ' .. name) end
return WON
