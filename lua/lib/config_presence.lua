-- What it means that a config document is not there. A script includes this after lib/counts and the line that names
-- its keys, documents and ids among them.

--- @include lib/damage

-- The caller has not found a document: that is true only if it is not listed, and no document is missing.
local function expect_absent(place, id)
  if redis.call('ZSCORE', ids, place) then
    damaged(documents, 'it lacks the document ' .. string.sub(id, 1, 200) .. ', which is listed')
  end
  expect_whole('HLEN', documents)
end
