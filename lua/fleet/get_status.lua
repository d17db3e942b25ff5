-- Read the status of a run alone.
--
-- KEYS   1 run
-- ARGV   none
-- Reply  the status, or nil
-- Leaves everything as it was.

return redis.call('HGET', KEYS[1], 'status')
