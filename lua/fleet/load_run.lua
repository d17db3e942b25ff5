-- Read one run with its executions, and the time.
--
-- KEYS   1 run   2 frames   3 loops   4 outputs   5 step ledger   6 its outputs   7 failure ledger
--        8 iteration ledger   9 authority inputs   10 executions
-- ARGV   none
-- Reply  nil, or {now in microseconds, parts of the run as get_run gives them, executions}
-- Leaves everything as it was.

--- @include lib/clock
--- @include lib/run_parts

if redis.call('EXISTS', KEYS[1]) == 0 then return nil end

return { now(), read_run(), redis.call('HGETALL', KEYS[10]) }
