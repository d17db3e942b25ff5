-- Read one checkpoint of a run.
--
-- Reply  nil (there is no such run) | {the checkpoint, if there is one}
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/run_head

--- @keys run index
--- @args name
if not run_exists(run, index) then return nil end
local record = redis.call('HGET', index, name)
if not record then
  expect_whole('HLEN', index)
  return {}
end
return { record }
