-- Append events that bring their cursors.
--
-- ARGV   after: the greatest cursor ever given; newest: what it is to be then; cursors: one for each event, ascending
-- Reply  WON | LOST (another cursor was given last)
-- Leaves the events in the log with these cursors, and `newest` as the greatest one ever given; nothing when lost.

--- @include lib/replies
--- @include lib/event_log

--- @keys meta events event_identities events_by_time events_channel
--- @args after newest cursors* new_events:event*
if decimal(number_at(meta, 'cursor')) ~= after then return LOST end

local log = event_log(meta, events, event_identities, events_by_time, events_channel)
for i, event in ipairs(new_events) do event.cursor = tonumber(cursors[i]) end
append_events(log, new_events)
if (log.last or after) ~= newest then mutate('HSET', meta, 'cursor', newest) end
announce_events(log)
return WON
