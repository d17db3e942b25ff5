-- Take the turn to enforce the policies, or keep it.
--
-- ARGV   holder: who asks; length: how long the turn is from now on (ms)
-- Reply  WON | LOST (another one has it)
-- Leaves the turn with the holder for that long. One that cannot be read is free.

--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/replies

--- @keys meta retention
--- @args holder length
read_clock(meta)
local known = redis.call('HGET', retention, 'turn') or ''
local ends, of = string.match(known, '^ (%d+)\n(.*)$')
if of and of ~= holder and tonumber(ends) > NOW then return LOST end

mutate('HSET', retention, 'turn', numeral(NOW + tonumber(length)) .. holder)
return WON
