-- Read all values that handlers have published of a run.
--
-- Reply  nil if there is no such run, or names and values in turns
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/run_head

--- @keys run index published
if not status_of(run, index) then return nil end
expect_whole('HLEN', published)
return redis.call('HGETALL', published)
