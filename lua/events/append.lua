-- Append events to the log: all of them, or none.
--
-- KEYS   1 meta   2 events   3 event identities   4 events by time   5 channel
-- ARGV   number of events, then each: mob, timestamp ('' = now), order, kind (JSON), list of identities
-- Reply  {cursor, timestamp} of each
-- Leaves the events at the end of the log with contiguous cursors, and wakes its subscribers.

--- @include lib/event_log

return append_events(log_keys(1), take_each(take_event))
