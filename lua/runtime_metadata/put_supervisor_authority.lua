-- Store the authority of a mob's supervisor.
--
-- Reply  WON
-- Leaves the record in the place of the one that was there, if any.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta supervisors
--- @args mob record
mutate('HSET', supervisors, mob, record)
return WON
