-- Change the status of a run.
--
-- KEYS   1 run
-- ARGV   expected status, next status
-- Reply  WON | LOST
-- Leaves the run at its next status, and its time of completion set if that is terminal; nothing when lost.

--- @include lib/replies
--- @include lib/status

if not may_change(KEYS[1], ARGV[1]) then return LOST end

set_status(KEYS[1], ARGV[2])
return WON
