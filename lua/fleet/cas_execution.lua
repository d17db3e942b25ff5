-- Change one execution alone: claim it, or renew its lease.
--
-- KEYS   1 run   2 executions   3 executions by time
-- ARGV   expected status of the run, change of the execution (whole records in the place of digests),
--        member in the order by time, time
-- Reply  WON | LOST
-- Leaves the execution at its next value and due at the given time; nothing when lost.

--- @include lib/replies
--- @include lib/change
--- @include lib/status

local expected, execution, member, at = take(), take_change(), take(), take()
if not may_change(KEYS[1], expected) then return LOST end
if not matches(KEYS[2], execution) then return LOST end

write(KEYS[2], execution)
redis.call('ZADD', KEYS[3], at, member)
return WON
