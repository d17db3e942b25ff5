-- Terminate a run and log its terminal event together.
--
-- KEYS   1 run   2 authority inputs   3 meta   4 events   5 event identities   6 events by time   7 channel
-- ARGV   expected status, next status, change of the run, list of inputs, event (its first identity: the terminal one)
-- Reply  {cursor, timestamp} | LOST
-- Leaves status and flow state at their next value, the inputs and the event appended; nothing when lost, which
--        a flow that has its terminal event already is too.

--- @include lib/replies
--- @include lib/change
--- @include lib/status
--- @include lib/event_log

local expected, next_status, run, inputs = take(), take(), take_change(), take_list()
local log, event = log_keys(3), take_event()
if not may_change(KEYS[1], expected) then return LOST end
if not matches(KEYS[1], run) then return LOST end
if redis.call('HEXISTS', log.identities, event.identities[1]) == 1 then return LOST end

write(KEYS[1], run)
set_status(KEYS[1], next_status)
in_chunks('RPUSH', KEYS[2], inputs)
return append_events(log, { event })[1]
