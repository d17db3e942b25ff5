-- Delete the authority of a mob's supervisor.
--
-- Reply  WON | LOST (there is none)
-- Leaves no record of the mob.

--- @include lib/mutate

--- @keys supervisors
--- @args mob
return mutate('HDEL', supervisors, mob)
