-- Register a run of an agent, in the place of an earlier one of its id.
--
-- ARGV   record: the run as it is stored, its places before it; time_to_live: from now on (ms), '' = it stays; found_by: its
--        places
-- Reply  WON
-- Leaves the run, and these places of it.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/pydantic_ai_runs
--- @include lib/replies

--- @keys records run_events snapshots runs places expiry
--- @args run record time_to_live found_by*
expect_sorted_sets(places, expiry)
local before = redis.call('HGET', runs, run)

if before then in_chunks('ZREM', places, places_in(before)) end
mutate('HSET', runs, run, record)
for _, place in ipairs(found_by) do mutate('ZADD', places, 0, place) end
local own = { records, run_events, snapshots }
keep_run({ own = own, runs = runs, places = places, expiry = expiry }, run, time_to_live)
return WON
