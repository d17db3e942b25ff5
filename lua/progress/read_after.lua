-- Read the progress of a run after an offset.
--
-- KEYS   progress: its stream, whose ids are 0-<offset>
-- ARGV   limit: greatest number of entries
-- Reply  {status of the run, id of the newest entry ('' = there is none), entries of the stream}, or nil
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/run_head

--- @keys run index progress
--- @args after limit
local status = status_of(run, index)
if not status then return nil end
local newest = redis.call('XREVRANGE', progress, '+', '-', 'COUNT', 1)[1]
return { status, newest and newest[1] or '', redis.call('XRANGE', progress, '(0-' .. after, '+', 'COUNT', limit) }
