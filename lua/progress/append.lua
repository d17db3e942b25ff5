-- Append what handlers have told to the progress of a run.
--
-- KEYS   progress: its stream, whose ids are 0-<offset>
-- ARGV   run_id: what the channel is told; most: how many entries are kept at least; keep: for how long after the newest
--        one (ms); entries: as codec/progress writes them
-- Reply  offset of the last one | LOST (the run is over) | NOT_FOUND
-- Leaves the entries at its end, and the oldest ones gone where there are too many.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/clock
--- @include lib/mutate
--- @include lib/replies
--- @include lib/run_head

--- @keys run index progress channel
--- @args run_id most keep entries*
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end

local id
for _, entry in ipairs(entries) do
  id = mutate('XADD', progress, 'MAXLEN', '~', most, '0-*', 'at', now(), 'entry', entry)
end
mutate('PEXPIRE', progress, keep)
announce(channel, run_id)
return id
