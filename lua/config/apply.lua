-- Write and delete several config documents: all of them, or none.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, number of writes, then each: condition ('any', 'absent' or a revision),
--        'put' with namespace, id, revision, document | 'delete' with namespace, id
-- Reply  WON | {number of the first write that was refused, EXISTS or the revision that is there}
-- Leaves each as put or delete would, in the given order; nothing unless won.

--- @include lib/config_documents

local function take_write()
  local condition, kind = take(), take()
  local write = kind == 'put' and take_document() or take_name()
  write.condition = condition
  return write
end

local function refusal(keys, write)
  if write.condition == 'any' then return nil end
  if write.condition == 'absent' then return present(keys, write.place) and EXISTS or nil end
  local actual = revision_of(keys, write.place)
  return actual ~= write.condition and actual or nil
end

local keys, feed_length, writes = config_keys(), take(), take_each(take_write)
for i, write in ipairs(writes) do
  local refused = refusal(keys, write)
  if refused then return { i - 1, refused } end
end

for _, write in ipairs(writes) do
  local perform = write.document and put or delete
  perform(keys, feed_length, write)
end
return WON
