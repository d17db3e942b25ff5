-- Replace a record of any kind if it is stored in exactly these bytes, which the caller has read.
--
-- KEYS   records: supervisors or overlays
-- ARGV   known: bytes of the record that was read
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys records
--- @args field known record
if redis.call('HGET', records, field) ~= known then return LOST end

mutate('HSET', records, field, record)
return WON
