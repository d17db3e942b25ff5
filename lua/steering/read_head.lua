-- Read what the deletion of a run needs to know of it.
--
-- KEYS   deletion: there is one if a run of this id was deleted, and something of it is left
-- Reply  nil if there is neither the run nor such a deletion | {status of the run, its head, sequence, launch, time of
--        launching and conversation, where it has them}; of a deletion alone {}
-- Leaves everything as it was.

--- @include lib/run_head

--- @keys run index deletion
local status, head, sequence, launch, launched_at, conversation =
  unpack(redis.call('HMGET', run, 'status', 'head', 'sequence', 'launch', 'launched_at', 'conversation'), 1, 6)
if checked_status(run, index, status) then
  return { status, head or '', sequence or '', launch or '', launched_at or '', conversation or '' }
end
return redis.call('HLEN', deletion) > 0 and {} or nil
