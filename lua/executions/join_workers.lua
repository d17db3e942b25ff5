-- Make a worker known.
--
-- ARGV   worker: its id, its host and what it says of itself, with a zero byte between; lease: in milliseconds
-- Reply  nil
-- Leaves the worker with a lease from now on; all are woken, since they leave to it what it is made for.

--- @include lib/announce
--- @include lib/worker_loss

--- @keys meta workers channel
--- @args worker lease
read_clock(meta)
mutate('ZADD', workers, decimal(NOW + tonumber(lease)), worker)
workers_change(meta)
announce(channel, '')
