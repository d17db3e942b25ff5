-- Put and delete items of a store of LangGraph.
--
-- ARGV   gone: places of those that are deleted; put: place, value, and for how long it stays after each use (ms, 0 = it
--        stays), of each of the others
-- Reply  WON
-- Leaves what was put, with the time of creation that it had; some items that have expired are gone.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_items
--- @include lib/replies

--- @keys items places expiry
--- @args gone* put*
expect_sorted_sets(places, expiry)
local fields, stay = {}, {}
for i = 1, #put, 3 do
  fields[#fields + 1] = put[i]
  stay[put[i]] = true
end
local before, expired = values_of(items, fields), gone_of(expiry, fields)
add_expired(expiry, stay, gone)

local lasting = {}
for i, place in ipairs(fields) do
  local value, stays = put[3 * i - 1], put[3 * i]
  local created = before[i] and not expired[place] and times_in(before[i]) or now()
  mutate('HSET', items, place, created .. ' ' .. now() .. ' ' .. stays .. ' ' .. value)
  mutate('ZADD', places, 0, place)
  if stays ~= '0' then
    mutate('ZADD', expiry, milliseconds_now() + stays, place)
  else
    lasting[#lasting + 1] = place
  end
end
for _, place in ipairs(gone) do lasting[#lasting + 1] = place end
in_chunks('HDEL', items, gone)
in_chunks('ZREM', places, gone)
in_chunks('ZREM', expiry, lasting)
return WON
