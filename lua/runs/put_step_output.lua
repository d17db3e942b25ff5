-- Set the output of the last row that the step ledger has for a step.
--
-- ARGV   step: field of the step in the index; output: JSON
-- Reply  WON | NOT_FOUND | NO_STEP
-- Leaves the output in the place of an earlier one.

--- @include lib/replies
--- @include lib/mutate

--- @keys run step_outputs index
--- @args step output
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
local number = redis.call('HGET', index, step)
if not number then
  expect_whole('HLEN', index)
  return NO_STEP
end

mutate('HSET', step_outputs, number, output)
return WON
