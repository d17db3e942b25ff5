-- Append events to the log: all of them, or none.
--
-- Reply  {cursor, timestamp} of each
-- Leaves the events at the end of the log with contiguous cursors, and wakes its subscribers.

--- @include lib/event_log

--- @keys meta events event_identities events_by_time events_channel
--- @args new_events:event*
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
local stored = append_events(log, new_events)
announce_events(log)
return stored
