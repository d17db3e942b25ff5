-- Let items of a store of LangGraph stay longer that were read and expire.
--
-- Reply  WON
-- Leaves their ends as far away as after a write; some items that have expired are gone.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_items
--- @include lib/replies

--- @keys items places expiry
--- @args used*
expect_sorted_sets(places, expiry)
local gone, removed = gone_of(expiry, used), {}
add_expired(expiry, {}, removed)
for i, item in ipairs(values_of(items, used)) do
  local _, _, stays = times_in(item or '')
  if stays and stays ~= '0' and not gone[used[i]] then
    mutate('ZADD', expiry, milliseconds_now() + stays, used[i])
  end
end
remove_items(items, places, expiry, removed)
return WON
