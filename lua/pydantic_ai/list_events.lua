-- Read some events of a run of an agent.
--
-- ARGV   first, last: which ones, counted from 0
-- Reply  the events
-- Leaves everything as it was.

--- @keys run_events
--- @args first last
return redis.call('LRANGE', run_events, first, last)
