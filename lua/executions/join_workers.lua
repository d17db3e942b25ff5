-- Make a worker known, or renew its lease.
--
-- ARGV   worker: its id, its host and what it says of itself, with a zero byte between; lease: in milliseconds; is_new: 1
--        for one that joins, 0 for one that must be known
-- Reply  WON | LOST (its lease has expired, and what it held is for others)
-- Leaves the worker with a lease from now on.

--- @include lib/fleet_clock
--- @include lib/key_types
--- @include lib/replies

--- @keys meta workers
--- @args worker lease is_new
expect_sorted_sets(workers)
read_clock(meta)
if is_new == '0' and not redis.call('ZSCORE', workers, worker) then return LOST end
mutate('ZADD', workers, decimal(NOW + tonumber(lease)), worker)
return WON
