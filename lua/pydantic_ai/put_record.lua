-- Keep a record of a run of an agent: what a call of a tool has come to, or the result of a call that is made once.
--
-- ARGV   time_to_live: of the run from now on (ms), '' = it stays
-- Reply  WON
-- Leaves the record in the place of an earlier one.

--- @include lib/key_types
--- @include lib/pydantic_ai_runs
--- @include lib/replies

--- @keys records run_events snapshots runs places expiry
--- @args run field record time_to_live
expect_hashes(records, runs)
expect_sorted_sets(places, expiry)

mutate('HSET', records, field, record)
local own = { records, run_events, snapshots }
keep_run({ own = own, runs = runs, places = places, expiry = expiry }, run, time_to_live)
return WON
