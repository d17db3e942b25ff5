-- Store a record unless there is one in its place.
--
-- Reply  {WON} | {LOST, the record that is there}
-- Leaves the record; nothing when lost.

--- @include lib/replies
--- @include lib/mutate

--- @keys meta generic_records record_places
--- @args place record
local stored = redis.call('HGET', generic_records, place)
if stored then return { LOST, stored } end
expect_whole('HLEN', generic_records)

mutate('ZADD', record_places, 0, place)
mutate('HSET', generic_records, place, record)
return { WON }
