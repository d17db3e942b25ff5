-- Append an event of a run of an agent, unless one of its identity is there.
--
-- ARGV   identity: of the event, '' = none; time_to_live: of the run from now on (ms), '' = it stays
-- Reply  WON | EXISTS
-- Leaves the event at the end; nothing changes if it exists.

--- @include lib/key_types
--- @include lib/pydantic_ai_runs
--- @include lib/replies

--- @keys records run_events snapshots runs places expiry
--- @args run identity event time_to_live
expect_lists(run_events)
expect_hashes(records, runs)
expect_sorted_sets(places, expiry)
if identity ~= '' and redis.call('HEXISTS', records, 'ke' .. identity) == 1 then return EXISTS end

mutate('RPUSH', run_events, event)
if identity ~= '' then mutate('HSET', records, 'ke' .. identity, 1) end
local own = { records, run_events, snapshots }
keep_run({ own = own, runs = runs, places = places, expiry = expiry }, run, time_to_live)
return WON
