-- Make a worker known.
--
-- ARGV   worker: its id, its host and what it says of itself, with a zero byte between; lease: in milliseconds
-- Reply  nothing of interest
-- Leaves the worker with a lease from now on.

--- @include lib/fleet_clock
--- @include lib/mutate

--- @keys meta workers
--- @args worker lease
read_clock(meta)
return mutate('ZADD', workers, decimal(NOW + tonumber(lease)), worker)
