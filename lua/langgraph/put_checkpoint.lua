-- Keep a checkpoint of a thread of LangGraph, in the place of an earlier one of its id.
--
-- ARGV   place: of the checkpoint (see lib/langgraph_threads); references: the blobs that it refers to, each behind its
--        length and a colon; run: digest of its run, zeros for none; time_to_live: of the thread from now on (ms), '' = it
--        stays; blobs: fields and values
-- Reply  WON
-- Leaves the checkpoint and those of its blobs that were not there.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/langgraph_threads
--- @include lib/replies

--- @keys places records threads expiry runs
--- @args thread place checkpoint metadata references run time_to_live blobs*
expect_sorted_sets(places, threads, expiry, runs)
local before = redis.call('HGET', records, 'm' .. place)

mutate('HSET', records, 'c' .. place, checkpoint, 'm' .. place, metadata, 'v' .. place, references)
mutate('ZADD', places, 0, 'c' .. place)
if before and run_in(before) ~= run then mutate('ZREM', places, 'r' .. run_in(before) .. place) end
if run ~= NO_RUN then
  mutate('ZADD', places, 0, 'r' .. run .. place)
  mutate('ZADD', runs, 0, 'r' .. run .. thread, 0, place_of_thread(thread, run))
end
for i = 1, #blobs, 2 do mutate('HSETNX', records, blobs[i], blobs[i + 1]) end
keep_thread({ places = places, records = records, threads = threads, expiry = expiry, runs = runs }, thread, time_to_live)
return WON
