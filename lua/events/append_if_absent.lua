-- Append an event to the log unless it has one with the same identity.
--
-- ARGV   event: its first identity is the one that counts, the second, if there is one, tells whether the event that is
--        there says the same
-- Reply  {cursor, timestamp} | LOST | CONFLICT (one with the same identity says something else)
-- Leaves the event at the end of the log, and wakes its subscribers; nothing unless appended.

--- @include lib/replies
--- @include lib/event_log

--- @keys meta events event_identities events_by_time events_channel
--- @args event:event
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
local identity, content = event.identities[1], event.identities[2]
if has_identity(log, name_of(log, identity, event.mob)) then
  return (not content or has_identity(log, name_of(log, content, event.mob))) and LOST or CONFLICT
end

local stored = append_events(log, { event })
announce_events(log)
return stored[1]
