-- Take places out of the index of the runs by attribute whose runs are gone, or have other attributes. An older release
-- that deletes a run leaves its places.
--
-- KEYS   hashes: that of the run of each place
-- ARGV   places: in the index
-- Reply  how many were taken out
-- Leaves those that are right.

--- @include lib/arguments
--- @include lib/attributes
--- @include lib/key_types

--- @keys meta by_attribute hashes*
--- @args places*
expect_sorted_sets(by_attribute)
local wrong = {}
for i, place in ipairs(places) do
  local sequence, attributes = unpack(redis.call('HMGET', hashes[i], 'sequence', 'attributes'), 1, 2)
  local last, is_right = string.format('%016d', number_in(sequence or '') or 0) .. string.sub(hashes[i], -36), false
  for _, there in ipairs(places_of(attributes_in(attributes) or {}, last)) do is_right = is_right or there == place end
  if not is_right and redis.call('ZSCORE', by_attribute, place) then wrong[#wrong + 1] = place end
end
if #wrong == 0 then return 0 end
know_attributed(meta, number_attributed(meta) - #wrong)
remove_places(by_attribute, wrong)
return #wrong
