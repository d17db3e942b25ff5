-- Read where a run stands in the lists of its namespace.
--
-- KEYS   due: runs by time; event_identities: what may be in the log once
-- ARGV   run_id: as it stands in `due`; place: of the run among the runs; places: where it would stand in the index by status;
--        ended: the identity of its terminal event
-- Reply  {1 if it stands among the runs, for each of the places 1 if it stands there, 1 if it is due at some time, what the
--        log knows of its terminal event or ''}
-- Leaves everything as it was.

--- @include lib/arguments

--- @keys runs runs_by_status due event_identities meta
--- @args run_id place places* ended
local function is_in(key, member)
  return redis.call('ZSCORE', key, member) and 1 or 0
end

local found = {}
for i, one in ipairs(places) do found[i] = is_in(runs_by_status, one) end
return { is_in(runs, place), found, is_in(due, run_id), redis.call('HGET', event_identities, ended) or '' }
