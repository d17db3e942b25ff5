-- What the keys of one run have lost.

--- @include lib/losses

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index executions meta runs due
--- @args run_id

local MEASURED = {
  { 'HLEN', run, frames, loops, outputs, step_outputs, index, executions },
  { 'LLEN', steps, failures, iterations, inputs },
}

-- its place among the runs of the namespace, which ends with its id
local function place_of_run()
  for _, place in ipairs(redis.call('ZRANGE', runs, 0, -1)) do
    if string.sub(place, -#run_id) == run_id then return place end
  end
  return nil
end

-- {losses, whether the run is there, its place if it is not}
local function find_losses()
  if redis.call('HLEN', run) > 0 then
    local is_counted = redis.call('HEXISTS', run, COUNTED) == 1
    if is_counted then find_counted(MEASURED) else add_loss(run, NOT_COUNTED) end
    return losses, true
  end
  local place = place_of_run()
  if place or redis.call('HLEN', index) > 0 then add_loss(run, 'the run is gone') end
  return losses, false, place
end
