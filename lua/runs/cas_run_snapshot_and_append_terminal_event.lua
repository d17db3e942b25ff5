-- Terminate a run and log its terminal event together.
--
-- ARGV   event: its first identity is the terminal one
-- Reply  {cursor, timestamp} | LOST
-- Leaves status and flow state at their next value, the inputs and the event appended; nothing when lost, which
--        a flow that has its terminal event already is too.

--- @include lib/replies
--- @include lib/change
--- @include lib/status
--- @include lib/event_log
--- @include lib/key_types

--- @keys run index inputs meta events event_identities events_by_time events_channel runs_by_status
--- @args expected_status next_status run_change:change new_inputs* event:event
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
if not may_change(run, index, expected_status) then return LOST end
if not matches(run, run_change) then return LOST end
if has_identity(log, event.identities[1]) then return LOST end
expect_lists(inputs)
local place = indexed_place(run, runs_by_status)

if next_status == 'canceled' then
  --- @include lib/when_full
  write_even_when_full(run)
end
local stored = append_events(log, { event })
in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
set_status(run, runs_by_status, place, next_status)
announce_events(log)
return stored[1]
