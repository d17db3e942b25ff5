-- Delete a run of an agent.
--
-- Reply  WON | LOST (there is no such run)
-- Leaves nothing of it.

--- @include lib/key_types
--- @include lib/pydantic_ai_runs
--- @include lib/replies

--- @keys records run_events snapshots runs places expiry
--- @args run
expect_hashes(runs)
expect_sorted_sets(places, expiry)
local there = redis.call('EXISTS', records, run_events, snapshots) + redis.call('HEXISTS', runs, run) > 0
mutate('UNLINK', records, run_events, snapshots)
unlist_runs({ runs = runs, places = places, expiry = expiry }, { run })
return there and WON or LOST
