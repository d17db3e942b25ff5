-- What the keys of one run have lost.

--- @include lib/losses

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index executions published meta runs due
--- @keys ready queued lost event_identities runs_by_status gated
--- @args run_id

local MEASURED = {
  { 'HLEN', run, frames, loops, outputs, step_outputs, index, executions, published },
  { 'LLEN', steps, failures, iterations, inputs },
}

-- The id as msgpack packs a text of 36 bytes. No other text of a member or an identity has it within: it is no UTF-8.
local PACKED_ID = '\217\36' .. run_id

-- its place among the runs of the namespace, which ends with its id
local function place_of_run()
  for _, place in ipairs(redis.call('ZRANGE', runs, 0, -1)) do
    if string.sub(place, -#run_id) == run_id then return place end
  end
  return nil
end

local function that_name_the_run(members)
  local found = {}
  for _, member in ipairs(members) do
    if string.find(member, PACKED_ID, 1, true) then found[#found + 1] = member end
  end
  return found
end

-- members of `ready`, `queued` or `gated` whose executions are gone: behind the id stands what the field of an execution has in
-- its array
local function find_unexecuted(key)
  local found = {}
  for _, member in ipairs(that_name_the_run(redis.call('ZRANGE', key, 0, -1))) do
    local _, last = string.find(member, PACKED_ID, 1, true)
    if redis.call('HEXISTS', executions, '\147' .. string.sub(member, last + 1)) == 0 then found[#found + 1] = member end
  end
  return found
end

-- traces of a run without its hash: its place among the runs, its times, and its identities in the event log
local function find_rest()
  return {
    place = place_of_run(),
    is_due = redis.call('ZSCORE', due, run_id),
    ready = that_name_the_run(redis.call('ZRANGE', ready, 0, -1)),
    queued = that_name_the_run(redis.call('ZRANGE', queued, 0, -1)),
    gated = that_name_the_run(redis.call('ZRANGE', gated, 0, -1)),
    lost = that_name_the_run(redis.call('HKEYS', lost)),
    identities = that_name_the_run(redis.call('HKEYS', event_identities)),
  }
end

local function has_parts()
  return redis.call('EXISTS', frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index,
    executions, published) > 0
end

-- whether a fleet drives the run, and nothing asks for its end: then it needs its frames, loops and executions
local function must_go_on()
  local status, launch, canceled = unpack(redis.call('HMGET', run, 'status', 'launch', 'cancel_requested_at'))
  return status == 'running' and launch and not canceled
end

-- {losses, whether the run is there, the traces of one that is not}
local function find_losses()
  if redis.call('HLEN', run) > 0 then
    local is_counted = redis.call('HEXISTS', run, COUNTED) == 1
    if is_counted then find_counted(MEASURED) else add_loss(run, NOT_COUNTED) end
    return losses, true
  end
  local rest = find_rest()
  if rest.place or rest.is_due or #rest.ready + #rest.queued + #rest.gated + #rest.lost > 0 or #rest.identities > 0 or has_parts() then
    add_loss(run, 'the run is gone')
  end
  return losses, false, rest
end
