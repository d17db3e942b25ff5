-- Set the output of the last row that the step ledger has for a step.
--
-- ARGV   step: field of the step in the index; output: JSON
-- Reply  WON | NOT_FOUND | NO_STEP
-- Leaves the output in the place of an earlier one.

--- @include lib/damage
--- @include lib/replies
--- @include lib/counters
--- @include lib/mutate

--- @keys run steps step_outputs index
--- @args step output
if redis.call('HLEN', run) == 0 then return NOT_FOUND end
if redis.call('HEXISTS', index, step) == 0 then
  expect_whole('HLEN', index)
  return NO_STEP
end
-- a number that was cut short names the row of another step: a row begins with its length and the packed step
local number = number_at(index, step)
local row = redis.call('LINDEX', steps, number)
if not row or string.sub(row, 2, #step) ~= string.sub(step, 2) then
  damaged(index, 'it names a row of another step: ' .. decimal(number))
end

mutate('HSET', step_outputs, number, output)
return WON
