-- Delete a thread of LangGraph.
--
-- Reply  WON | LOST (there is no such thread)
-- Leaves nothing of it.

--- @include lib/key_types
--- @include lib/langgraph_threads
--- @include lib/replies

--- @keys places records threads expiry runs
--- @args thread
expect_sorted_sets(threads, expiry, runs)
local there = redis.call('EXISTS', places, records) > 0
remove_thread({ places = places, records = records, threads = threads, expiry = expiry, runs = runs }, thread)
return there and WON or LOST
