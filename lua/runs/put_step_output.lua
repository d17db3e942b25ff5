-- Set the output of the last row that the step ledger has for a step.
--
-- KEYS   1 run   2 outputs of the step ledger   3 index of the ledgers
-- ARGV   field of the step, output (JSON)
-- Reply  WON | NOT_FOUND | NO_STEP
-- Leaves the output in the place of an earlier one.

--- @include lib/replies

if redis.call('EXISTS', KEYS[1]) == 0 then return NOT_FOUND end
local number = redis.call('HGET', KEYS[3], ARGV[1])
if not number then return NO_STEP end

redis.call('HSET', KEYS[2], number, ARGV[2])
return WON
