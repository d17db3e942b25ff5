-- Copy a thread of LangGraph to another one, which is new.
--
-- ARGV   time_to_live: of the copy from now on (ms), '' = it stays
-- Reply  WON | NOT_FOUND (there is no such thread) | EXISTS (the other one has something)
-- Leaves the copy; the source as it was.

--- @include lib/key_types
--- @include lib/langgraph_threads
--- @include lib/replies

--- @keys source_places source_records places records threads expiry runs
--- @args source thread time_to_live
expect_sorted_sets(threads, expiry, runs)
if redis.call('EXISTS', source_places) == 0 then return NOT_FOUND end
if redis.call('EXISTS', places, records) > 0 then return EXISTS end

mutate('COPY', source_places, places)
mutate('COPY', source_records, records)
mutate('PERSIST', places)
mutate('PERSIST', records)
local prefix = place_of_thread(source, '')
for _, member in ipairs(between(runs, prefix, 0, -1)) do
  local run = string.sub(member, #prefix + 1)
  mutate('ZADD', runs, 0, 'r' .. run .. thread, 0, place_of_thread(thread, run))
end
keep_thread({ places = places, records = records, threads = threads, expiry = expiry, runs = runs }, thread, time_to_live)
return WON
