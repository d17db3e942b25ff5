-- Write and delete several config documents: all of them, or none.
--
-- KEYS   those of lib/config_documents
-- ARGV   conditions: 'any', 'absent' or a revision
-- Reply  WON | {number of the first write that was refused, EXISTS or the revision that is there}
-- Leaves each as put or delete would, in the given order; nothing unless won.

--- @include lib/config_writes

-- condition, then 'put' with namespace, id, revision, document | 'delete' with namespace, id
local function take_conditional()
  local condition, kind = take(), take()
  local write = kind == 'put' and take_document() or take_name()
  write.condition = condition
  return write
end

local function refusal(write)
  if write.condition == 'any' then return nil end
  if write.condition == 'absent' then return present(write) and EXISTS or nil end
  local actual = revision_of(write)
  return actual ~= write.condition and actual or nil
end

--- @args feed_length writes:conditional*
for i, write in ipairs(writes) do
  local refused = refusal(write)
  if refused then return { i - 1, refused } end
end

return commit_writes(feed_length, writes)
