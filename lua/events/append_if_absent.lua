-- Append an event to the log unless it has one with the same identity.
--
-- KEYS   1 meta   2 events   3 event identities   4 events by time   5 channel
-- ARGV   event: mob, timestamp ('' = now), order, kind (JSON), list of identities: the first is the one that counts,
--        the second, if there is one, tells whether the event that is there says the same
-- Reply  {cursor, timestamp} | LOST | CONFLICT (one with the same identity says something else)
-- Leaves the event at the end of the log, and wakes its subscribers; nothing unless appended.

--- @include lib/replies
--- @include lib/event_log

local log, event = log_keys(1), take_event()
local identity, content = event.identities[1], event.identities[2]
if redis.call('HEXISTS', log.identities, identity) == 1 then
  local same = not content or redis.call('HEXISTS', log.identities, content) == 1
  return same and LOST or CONFLICT
end

return append_events(log, { event })[1]
