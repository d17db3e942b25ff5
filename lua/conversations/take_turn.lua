-- Let a run begin that waits for its turn in its conversation, if that has come.
--
-- KEYS   due: runs by time; conversing: see lib/conversations
-- ARGV   member: of the run in the order by time
-- Reply  WON (it waits no more) | LOST (another run of the conversation is under way) | NOT_FOUND
-- Leaves the run as one that is launched now; one that goes on waiting is not due.

--- @include lib/replies
--- @include lib/conversations
--- @include lib/run_head
--- @include lib/run_start

--- @keys run index meta due conversing
--- @args member
local status, text, sequence = unpack(redis.call('HMGET', run, 'status', 'conversation', 'sequence'), 1, 3)
if not checked_status(run, index, status) then return NOT_FOUND end
local turn = turn_in(run, text)
if status ~= 'pending' or not turn or turn.letter ~= 'w' then return WON end
local place = turn_place(turn.digest, number_at(run, 'sequence', sequence), member)
local first = beginning_with(conversing, turn.digest, 1)[1]
if not first then expect_whole('ZCARD', conversing) end
expect_sorted_sets(due)
if first and first ~= place and redis.call('ZSCORE', conversing, place) then
  mutate('ZREM', due, member)
  return LOST
end
read_clock(meta)

mutate('HSET', run, 'conversation', turn_text(turn.digest, '-', turn.id), 'launched_at', launched_at(NOW))
return WON
