-- Read one run with everything that belongs to it, at one moment.
--
-- KEYS   1 run   2 frames   3 loops   4 outputs   5 step ledger   6 its outputs   7 failure ledger
--        8 iteration ledger   9 authority inputs
-- ARGV   none
-- Reply  nil, or one array for each of KEYS: fields and values of a hash, or the items of a list
-- Leaves everything as it was.

--- @include lib/run_parts

if redis.call('EXISTS', KEYS[1]) == 0 then return nil end

return read_run()
