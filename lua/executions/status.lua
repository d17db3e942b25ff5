-- Read the status of a run alone.
--
-- Reply  the status, or nil
-- Leaves everything as it was.

--- @keys run
return redis.call('HGET', run, 'status')
