-- Store the definition of a mob, and append an event that tells of it.
--
-- ARGV   expected: revision; '' = any, 0 = absent
-- Reply  {WON, new revision, cursor, timestamp} | {LOST, current revision}
-- Leaves the definition with the next revision of its mob and the event at the end of the log, whose subscribers are
--        woken; nothing when lost.

--- @include lib/replies
--- @include lib/revisions
--- @include lib/event_log

--- @keys meta specs spec_revisions events event_identities events_by_time events_channel
--- @args mob definition expected event:event
local stored = found_in(specs, spec_revisions, mob)
local current = revision_of(stored)
if expected ~= '' and expected ~= current then return { LOST, current } end
local revision = decimal(last_revision(spec_revisions, mob, stored) + 1)

-- events first, as lib/event_log says
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
local appended = append_events(log, { event })[1]
mutate('HSET', spec_revisions, mob, revision)
mutate('HSET', specs, mob, revision .. ' ' .. definition)
announce_events(log)
return { WON, revision, appended[1], appended[2] }
