-- Store the authority of a mob's supervisor unless there is one.
--
-- Reply  WON | LOST
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta supervisors
--- @args mob record
if redis.call('HEXISTS', supervisors, mob) == 1 then return LOST end
expect_whole('HLEN', supervisors)

mutate('HSET', supervisors, mob, record)
return WON
