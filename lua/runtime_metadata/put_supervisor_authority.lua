-- Store the authority of a mob's supervisor.
--
-- Reply  WON
-- Leaves the record, which replaces one that was there.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta supervisors
--- @args mob record
mutate('HSET', supervisors, mob, record)
return WON
