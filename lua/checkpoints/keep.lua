-- Keep the result of a call within a handler, for a worker that still executes what it keeps it for.
--
-- ARGV   field, expected: the execution, and its record as the worker claimed it; name, record: of the checkpoint, in the
--        index of the run; most: records that the index may have
-- Reply  WON | LOST (the worker does not hold the execution) | CONFLICT (there are too many) | NOT_FOUND
-- Leaves the checkpoint in the place of an earlier one of its name.

--- @include lib/replies
--- @include lib/compare
--- @include lib/mutate
--- @include lib/run_head

--- @keys run index executions
--- @args field expected name record most
if not run_exists(run, index) then return NOT_FOUND end
if not is_as_read(executions, expected, redis.call('HGET', executions, field)) then return LOST end
if redis.call('HEXISTS', index, name) == 0 then
  expect_whole('HLEN', index)
  if redis.call('HLEN', index) >= tonumber(most) then return CONFLICT end
end

mutate('HSET', index, name, record)
return WON
