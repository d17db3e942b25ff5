-- Delete checkpoints of a thread of LangGraph, with what was written on top of them, and blobs that no other one refers to.
--
-- ARGV   gone: their places
-- Reply  how many of them were there
-- Leaves the other checkpoints as they were, and nothing of the thread if there are none.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_threads

--- @keys places records threads expiry runs
--- @args thread gone*
expect_sorted_sets(places, threads, expiry, runs)
local members, fields, blobs, touched, number = {}, {}, {}, {}, 0
for _, place in ipairs(gone) do
  local metadata, references = unpack(redis.call('HMGET', records, 'm' .. place, 'v' .. place), 1, 2)
  if metadata then
    number = number + 1
    for _, kind in ipairs({ 'c', 'm', 'v' }) do fields[#fields + 1] = kind .. place end
    for _, field in ipairs(texts_in(references)) do blobs[field] = true end
    local run = run_in(metadata)
    members[#members + 1] = 'c' .. place
    if run ~= NO_RUN then
      members[#members + 1] = 'r' .. run .. place
      touched[run] = true
    end
  end
  for _, field in ipairs(between(places, writes_of(place), 0, -1)) do
    members[#members + 1] = field
    fields[#fields + 1] = field
  end
end

in_chunks('ZREM', places, members)
local kept = between(places, 'c', 0, -1)
if #kept == 0 then
  remove_thread({ places = places, records = records, threads = threads, expiry = expiry, runs = runs }, thread)
  return number
end
for i, member in ipairs(kept) do kept[i] = 'v' .. string.sub(member, 2) end
for _, references in ipairs(values_of(records, kept)) do
  for _, field in ipairs(texts_in(references)) do blobs[field] = nil end
end
for field in pairs(blobs) do fields[#fields + 1] = field end
in_chunks('HDEL', records, fields)
for run in pairs(touched) do
  if #between(places, 'r' .. run, 0, 1) == 0 then
    mutate('ZREM', runs, 'r' .. run .. thread, place_of_thread(thread, run))
  end
end
return number
