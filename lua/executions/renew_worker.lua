-- Renew the lease of a worker.
--
-- ARGV   worker: as it was made known; lease: in milliseconds
-- Reply  WON | LOST (it is not known, or was let go of: what it held is for others)
-- Leaves the worker with a lease from now on.

--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/replies

--- @keys meta workers
--- @args worker lease
if not redis.call('ZSCORE', workers, worker) then return LOST end

read_clock(meta)
mutate('ZADD', workers, decimal(NOW + tonumber(lease)), worker)
return WON
