-- Delete all events.
--
-- Reply  OK
-- Leaves an empty log; cursors go on where they were.

--- @include lib/mutate

--- @keys events event_identities events_by_time
mutate('DEL', events, event_identities, events_by_time)
return redis.status_reply('OK')
