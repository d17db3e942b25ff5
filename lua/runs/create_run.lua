-- Create a run with everything that belongs to it.
--
-- KEYS   1 run   2 frames   3 loops   4 outputs   5 step ledger   6 its outputs   7 failure ledger
--        8 iteration ledger   9 authority inputs   10 index of the ledgers   11 meta   12 runs
-- ARGV   run id, prefix of its place among the runs, then one list for each of KEYS 1-10
-- Reply  WON | EXISTS
-- Leaves the run at the end of the runs of its flow; nothing if it existed.

--- @include lib/replies
--- @include lib/run_creation

if redis.call('EXISTS', KEYS[1]) == 1 then return EXISTS end

create_run(KEYS[11], KEYS[12])
return WON
