-- Ask for the cancellation of a run of a conversation, as request_cancel does, since a later one takes its place.
--
-- KEYS   due: runs by time
-- ARGV   member: of the run in the order by time; rolls_back: 1 if its items are to be taken back when it has ended
-- Reply  WON | LOST (the run is over) | NOT_FOUND
-- Leaves the request with the run, which is due at once.

--- @include lib/replies
--- @include lib/announce
--- @include lib/conversations
--- @include lib/status

--- @keys run index meta due channel
--- @args member rolls_back
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end
local turn = turn_in(run, redis.call('HGET', run, 'conversation'))

mutate('ZADD', due, 0, member)
mutate('HSETNX', run, 'cancel_requested_at', now())
if rolls_back == '1' and turn and turn.letter == '-' then
  mutate('HSET', run, 'conversation', turn_text(turn.digest, 'r', turn.id))
end
announce(channel, member .. ' due')
return WON
