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

mutate('HSET', runs, run, record)
local is_found_by, gone = {}, {}
for _, place in ipairs(found_by) do
  mutate('ZADD', places, 0, place)
  is_found_by[place] = true
end
for _, place in ipairs(before and places_in(before) or {}) do
  if not is_found_by[place] then gone[#gone + 1] = place end
end
in_chunks('ZREM', places, gone)
local own = { records, run_events, snapshots }
keep_run({ own = own, runs = runs, places = places, expiry = expiry }, run, time_to_live)
return WON
