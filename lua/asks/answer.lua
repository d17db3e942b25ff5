-- Answer what a handler asks people: the handler finds the answer as a checkpoint, and a signal tells the run of it.
--
-- KEYS   due: runs by time; asks: see lib/asks
-- ARGV   member: of the run in the order by time; receipt: field of the index for answers to this ask; identity: what is
--        equal for equal answers; place: of the ask among those that are pending, '' if it was not found; name, record: of
--        the checkpoint in the index; signal: its record; most: records that the index may have
-- Reply  WON | EXISTS (it has this answer) | CONFLICT (it has another one) | LOST (the run is over) | GONE (it is not
--        pending) | FULL | NOT_FOUND
-- Leaves the answer for the handler, its receipt, the signal behind all others, and the run due, as send_signal does; the
--        ask is pending no more.

--- @include lib/replies
--- @include lib/announce
--- @include lib/status
--- @include lib/schedule
--- @include lib/signals

local GONE, FULL = -5, -6

--- @keys run index executions meta due channel asks
--- @args member receipt identity place name record signal most
local status = status_of(run, index)
if not status then return NOT_FOUND end
if place == '' or not redis.call('ZSCORE', asks, place) then
  local number, answered = sent_before(index, receipt)
  if number then return answered == identity and EXISTS or CONFLICT end
  expect_whole('HLEN', index)
  if TERMINAL[status] then return LOST end
  if place ~= '' then expect_whole('ZCARD', asks) end
  return GONE
end
if TERMINAL[status] then return LOST end
if redis.call('HEXISTS', index, name) == 0 and redis.call('HLEN', index) >= tonumber(most) then return FULL end
local sent, reports = counts_of_signals(run, index, due)
expect_hashes(executions)
read_clock(meta)

local keys = { run = run, index = index, executions = executions, due = due, channel = channel }
mutate('HSET', index, name, record)
mutate('ZREM', asks, place)
put_signal(keys, member, status, receipt, identity, signal, sent, reports)
return WON
