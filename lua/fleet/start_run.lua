-- Create a run that the fleet is to drive, with what it was started with.
--
-- KEYS   1 run   2 frames   3 loops   4 outputs   5 step ledger   6 its outputs   7 failure ledger
--        8 iteration ledger   9 authority inputs   10 index of the ledgers   11 meta   12 runs
--        13 definitions   14 runs by time   15 channel
-- ARGV   launch, digest of the definition, definition, member in the order by time, time,
--        run id, prefix of its place among the runs, then one list for each of KEYS 1-10
-- Reply  WON | EXISTS
-- Leaves the run pending and due, and its definition stored once; nothing if it existed.

--- @include lib/replies
--- @include lib/run_creation
--- @include lib/clock

if redis.call('EXISTS', KEYS[1]) == 1 then return EXISTS end

local launch, digest, definition, member, at = take(), take(), take(), take(), take()
create_run(KEYS[11], KEYS[12])
redis.call('HSET', KEYS[1], 'launch', launch, 'launched_at', now())
redis.call('HSETNX', KEYS[13], digest, definition)
redis.call('ZADD', KEYS[14], at, member)
redis.call('SPUBLISH', KEYS[15], '')
return WON
