-- Read what a move of a run to another release needs to know of it.
--
-- Reply  nil if there is no such run | {status of the run, its head, launch and version, where it has them; fields and
--        records of its executions}
-- Leaves everything as it was.

--- @include lib/run_head

--- @keys run index executions
local status, head, launch, version = unpack(redis.call('HMGET', run, 'status', 'head', 'launch', 'version'), 1, 4)
if not checked_status(run, index, status) then return nil end
local records = TERMINAL[status] and {} or redis.call('HGETALL', executions)
return { status, head or '', launch or '', version or '', records }
