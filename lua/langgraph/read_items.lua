-- Read items of a store of LangGraph.
--
-- Reply  the item at each of these places, nil where there is none
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/langgraph_items

--- @keys items expiry
--- @args places*
local found, gone = values_of(items, places), gone_of(expiry, places)
for i, place in ipairs(places) do
  if gone[place] then found[i] = false end
end
return found
