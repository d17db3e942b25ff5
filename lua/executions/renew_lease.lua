-- Renew the lease of an execution.
--
-- ARGV   execution_change: with whole records in the place of digests; member, at: when it is due, by time
-- Reply  WON | LOST
-- Leaves the execution at its next value and due at the given time; nothing when lost.

--- @include lib/replies
--- @include lib/change
--- @include lib/status

--- @keys run index executions meta ready
--- @args expected_status execution_change:change member at
if not may_change(run, index, expected_status) then return LOST end
if not matches(executions, execution_change) then return LOST end

mutate('ZADD', ready, at, member)
write(executions, execution_change)
return WON
