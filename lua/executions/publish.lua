-- Publish a value of a run, for a worker that still executes what it publishes it for.
--
-- ARGV   member: of the run in messages; field, expected: the execution, and its record as the worker claimed it; name,
--        value: what is published; most: values that a run may have
-- Reply  WON | LOST (the worker does not hold the execution) | CONFLICT (there are too many) | NOT_FOUND
-- Leaves the value in the place of the one that was published under its name before.

--- @include lib/replies
--- @include lib/announce
--- @include lib/compare
--- @include lib/status

--- @keys run index executions published channel
--- @args member field expected name value most
if not status_of(run, index) then return NOT_FOUND end
if not is_as_read(executions, expected, redis.call('HGET', executions, field)) then return LOST end
if redis.call('HEXISTS', published, name) == 0 then
  expect_whole('HLEN', published)
  if redis.call('HLEN', published) >= tonumber(most) then return CONFLICT end
end

mutate('HSET', published, name, value)
announce(channel, member .. ' changed')
return WON
