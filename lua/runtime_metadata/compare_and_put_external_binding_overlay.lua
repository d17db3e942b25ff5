-- Replace an overlay if it is stored in exactly these bytes, which the caller has compared.
--
-- ARGV   compared: bytes of the record that was compared
-- Reply  WON | LOST (it has changed or gone since)
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta overlays overlay_places
--- @args place compared record
if redis.call('HGET', overlays, place) ~= compared then return LOST end

mutate('HSET', overlays, place, record)
return WON
