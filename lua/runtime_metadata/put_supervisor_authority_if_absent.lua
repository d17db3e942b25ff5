-- Store the authority of a mob's supervisor unless there is one.
--
-- Reply  WON | LOST
-- Leaves the record; nothing when lost.

--- @include lib/mutate

--- @keys supervisors
--- @args mob record
return mutate('HSETNX', supervisors, mob, record)
