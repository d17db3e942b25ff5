-- Delete the authority of a mob's supervisor.
--
-- Reply  WON | LOST (there is none)
-- Leaves no record of the mob.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta supervisors
--- @args mob
if redis.call('HEXISTS', supervisors, mob) == 0 then
  expect_whole('HLEN', supervisors)
  return LOST
end

mutate('HDEL', supervisors, mob)
return WON
