-- Replace a record of any kind if it is stored in exactly these bytes, which the caller has read.
--
-- KEYS   1 supervisors or overlays
-- ARGV   field, bytes of the record that was read, record
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/arguments

local field, read, record = take(), take(), take()
if redis.call('HGET', KEYS[1], field) ~= read then return LOST end

redis.call('HSET', KEYS[1], field, record)
return WON
