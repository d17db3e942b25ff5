-- Delete the authority of a mob's supervisor if it is stored in exactly these bytes, which the caller has compared.
--
-- ARGV   compared: bytes of the record that was compared
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves no record of the mob; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta supervisors
--- @args mob compared
if redis.call('HGET', supervisors, mob) ~= compared then return LOST end

mutate('HDEL', supervisors, mob)
return WON
