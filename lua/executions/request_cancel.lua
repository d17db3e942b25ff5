-- Ask for the cancellation of a run.
--
-- KEYS   due: runs by time
-- ARGV   member: of the run in the order by time
-- Reply  WON | LOST (the run is over) | NOT_FOUND
-- Leaves the request with the run, which is due at once.

--- @include lib/replies
--- @include lib/announce
--- @include lib/status
--- @include lib/when_full

--- @keys run index meta due channel
--- @args member
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end

write_even_when_full(run)
mutate('ZADD', due, 0, member)
mutate('HSETNX', run, 'cancel_requested_at', now())
announce(channel, member .. ' due')
return WON
