-- Ask for the cancellation of a run.
--
-- KEYS   1 run   2 runs by time   3 channel
-- ARGV   member in the order by time
-- Reply  WON | LOST (the run is over) | NOT_FOUND
-- Leaves the request with the run, which is due at once.

--- @include lib/replies
--- @include lib/status

local status = redis.call('HGET', KEYS[1], 'status')
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end

redis.call('HSETNX', KEYS[1], 'cancel_requested_at', now())
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('SPUBLISH', KEYS[3], '')
return WON
