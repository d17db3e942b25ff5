-- Replace the authority of a mob's supervisor if it is stored in exactly these bytes, which the caller has compared.
--
-- KEYS   1 supervisors
-- ARGV   mob, bytes of the record that was compared, record
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/arguments

local mob, compared, record = take(), take(), take()
if redis.call('HGET', KEYS[1], mob) ~= compared then return LOST end

redis.call('HSET', KEYS[1], mob, record)
return WON
