-- Read what a run was started with.
--
-- Reply  that, or nil
-- Leaves everything as it was.

--- @keys run
return redis.call('HGET', run, 'launch')
