-- Let some runs stand in the indexes where they belong: at their status and their attributes, or nowhere if they are gone.
--
-- KEYS   hashes: that of each run
-- ARGV   places: of each of these runs, that among all runs or the end of it
-- Reply  those of the places whose run is gone, or has no status, and that are among all runs
-- Leaves them there, and the sequence of creation with each run, by which its next change finds its place.

--- @include lib/arguments
--- @include lib/attributes
--- @include lib/chunks
--- @include lib/counters
--- @include lib/run_index

--- @keys runs runs_by_status by_attribute hashes*
--- @args places*
expect_sorted_sets(runs, runs_by_status, by_attribute)
local there, elsewhere, unnumbered, lost, attributed = {}, {}, {}, {}, {}
for i, place in ipairs(places) do
  local status, sequence, attributes = unpack(redis.call('HMGET', hashes[i], 'status', 'sequence', 'attributes'), 1, 3)
  local last = string.sub(place, -END_OF_PLACE)
  local byte = STATUS_BYTE[status]
  if byte then
    there[#there + 1], there[#there + 2] = 0, byte .. last
    if not sequence then unnumbered[#unnumbered + 1] = i end
    for _, attributed_place in ipairs(places_of(attributes_in(attributes) or {}, last)) do
      attributed[#attributed + 1] = attributed_place
    end
  elseif #place > END_OF_PLACE and redis.call('ZSCORE', runs, place) then
    lost[#lost + 1] = place
  end
  for _, other in ipairs(other_places(byte and status, last)) do elsewhere[#elsewhere + 1] = other end
end

in_chunks('ZADD', runs_by_status, there)
add_places(by_attribute, attributed)
for _, i in ipairs(unnumbered) do
  local hash = hashes[i]
  mutate('HSET', hash, 'sequence', numeral(tonumber(string.sub(places[i], -END_OF_PLACE, -37))))
  local counted, number = unpack(redis.call('HMGET', hash, 'counted', 'n:run'), 1, 2)
  if counted and number_in(number or '') then mutate('HSET', hash, 'n:run', decimal(number_in(number) + 1)) end
end
in_chunks('ZREM', runs_by_status, elsewhere)
return lost
