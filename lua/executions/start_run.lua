-- Create a run that the fleet is to drive, with what it was started with.
--
-- KEYS   due: runs by time
-- ARGV   digest: of the definition; member, at: when the run is due; prefix: of its place among the runs; parts: one list
--        for each of the first ten keys
-- Reply  WON | EXISTS
-- Leaves the run pending and due, and its definition stored once; nothing if it existed.

--- @include lib/replies
--- @include lib/announce
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/clock

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs definitions due channel
--- @args launch digest definition member at run_id prefix parts:list*
if run_exists(run, index) then return EXISTS end
if redis.call('HEXISTS', definitions, digest) == 0 then expect_whole('HLEN', definitions) end
expect_sorted_sets(due)

local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, run_id, prefix)
mutate('HSET', run, 'launch', launch, 'launched_at', numeral_now())
mutate('HSETNX', definitions, digest, definition)
mutate('ZADD', due, at, member)
announce(channel, run_id .. ' due')
return WON
