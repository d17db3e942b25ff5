-- Delete all events.
--
-- Reply  OK
-- Leaves an empty log; cursors go on where they were.

--- @include lib/mutate

--- @keys meta events event_identities events_by_time
for _, key in ipairs({ events, event_identities, events_by_time }) do
  mutate('DEL', key)
  mutate('HDEL', meta, count_fields[key])
end
return redis.status_reply('OK')
