-- Delete a record if it is stored in exactly these bytes, which the caller has compared.
--
-- ARGV   compared: bytes of the record that was compared
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves no record in this place; nothing when lost.

--- @include lib/replies
--- @include lib/key_types
--- @include lib/mutate

--- @keys meta generic_records record_places
--- @args place compared
expect_hashes(generic_records)
if redis.call('HGET', generic_records, place) ~= compared then return LOST end

mutate('ZREM', record_places, place)
mutate('HDEL', generic_records, place)
return WON
