-- Keep what a task has written on top of a checkpoint of a thread of LangGraph.
--
-- ARGV   time_to_live: of the thread from now on (ms), '' = it stays; once: fields and values of writes that stay as they
--        are where they are there already; again: of those that take the place of earlier ones
-- Reply  WON
-- Leaves the writes, also where there is no such checkpoint yet.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_threads
--- @include lib/replies

--- @keys places records threads expiry runs
--- @args thread time_to_live once* again*
expect_sorted_sets(places, threads, expiry, runs)
redis.call('HLEN', records)
if #once + #again == 0 then return WON end

for i = 1, #once, 2 do
  mutate('HSETNX', records, once[i], once[i + 1])
  mutate('ZADD', places, 0, once[i])
end
for i = 1, #again, 2 do
  mutate('HSET', records, again[i], again[i + 1])
  mutate('ZADD', places, 0, again[i])
end
keep_thread({ places = places, records = records, threads = threads, expiry = expiry, runs = runs }, thread, time_to_live)
return WON
