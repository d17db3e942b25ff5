-- Which events of the log are those of a run: a list of `e<first cursor> <how many>`, and of the identities under which
-- the log knows what happened once. The deletion of a run finds its events by it, however long the log is. The identity of
-- its end is not among them: that can be told from the run.

--- @include lib/chunks
--- @include lib/counters

-- events that one item stands for, at most: the deletion takes whole items, in bounded steps
local MOST_OF_ITEM = 100

-- `stored` is {cursor, timestamp} of each of these events, whose cursors follow each other
local function record_events(cursors, stored, events)
  local items = {}
  for first = 1, #stored, MOST_OF_ITEM do
    items[#items + 1] = 'e' .. decimal(stored[first][1]) .. ' ' .. math.min(MOST_OF_ITEM, #stored - first + 1)
  end
  for _, event in ipairs(events) do
    for _, identity in ipairs(event.identities) do
      if string.sub(identity, 1, 1) ~= 't' then items[#items + 1] = identity end
    end
  end
  in_chunks('RPUSH', cursors, items)
end
