-- Delete checkpoints of a thread of LangGraph, with what was written on top of them, and blobs that no other one refers to.
--
-- ARGV   gone: their places
-- Reply  WON
-- Leaves the other checkpoints as they were, and nothing of the thread if there are none.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_threads
--- @include lib/replies

--- @keys places records threads expiry runs
--- @args thread gone*
expect_sorted_sets(places, threads, expiry, runs)
local members, fields, blobs, is_gone, of_run = {}, {}, {}, {}, {}
for _, place in ipairs(gone) do
  local metadata, references = unpack(redis.call('HMGET', records, 'm' .. place, 'v' .. place), 1, 2)
  if metadata then
    for _, kind in ipairs({ 'c', 'm', 'v' }) do fields[#fields + 1] = kind .. place end
    for _, field in ipairs(texts_in(references)) do blobs[field] = true end
    is_gone[place] = true
    members[#members + 1] = 'c' .. place
    local run = run_in(metadata)
    if run ~= NO_RUN then
      members[#members + 1] = 'r' .. run .. place
      of_run[run] = (of_run[run] or 0) + 1
    end
  end
  for _, field in ipairs(between(places, writes_of(place), 0, -1)) do
    members[#members + 1] = field
    fields[#fields + 1] = field
  end
end
local kept = {}
for _, member in ipairs(between(places, 'c', 0, -1)) do
  local place = string.sub(member, 2)
  if not is_gone[place] then kept[#kept + 1] = 'v' .. place end
end
local keys = { places = places, records = records, threads = threads, expiry = expiry, runs = runs }
if #kept == 0 then
  remove_thread(keys, thread)
  return WON
end
for _, references in ipairs(values_of(records, kept)) do
  for _, field in ipairs(texts_in(references)) do blobs[field] = nil end
end
for field in pairs(blobs) do fields[#fields + 1] = field end
local gone_runs = {}
for run, number in pairs(of_run) do
  if #between(places, 'r' .. run, 0, number + 1) == number then
    gone_runs[#gone_runs + 1] = 'r' .. run .. thread
    gone_runs[#gone_runs + 1] = place_of_thread(thread, run)
  end
end

in_chunks('ZREM', places, members)
in_chunks('HDEL', records, fields)
in_chunks('ZREM', runs, gone_runs)
return WON
