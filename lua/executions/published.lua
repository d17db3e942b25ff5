-- Read a value that was published of a run.
--
-- Reply  nil, or {status of the run, the value if there is one}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/run_head

--- @keys run index published
--- @args name
local status = status_of(run, index)
if not status then return nil end
local value = redis.call('HGET', published, name)
if not value then
  expect_whole('HLEN', published)
  return { status }
end
return { status, value }
