-- What is paused. A run has since when and why in its field `paused`. In `pauses` a mob has it behind an 'm', a flow behind
-- an 'f' and its mob; 'b', mob and flow stand there while what a flow had waiting is brought back. Names are written as in
-- queues (see lib/queue_parts). Executions that wait stand aside in `queued`, where no worker looks: behind 'pr' and the id
-- of their run if that is paused, else behind 'pf', mob and flow if the flow is. Those of a paused mob stay where they
-- are, and are stepped over. As long as `n:pauses` counts nothing, no mob and no flow has anything aside (decision 0032).

--- @include lib/counts
--- @include lib/fleet_clock

-- The clock is read, and in the same command how many records there are in `pauses`: whether there is any.
local function read_clock_and_pauses(meta)
  local ahead, number = unpack(redis.call('HMGET', meta, 'clock_ahead_ms', 'n:pauses'), 1, 2)
  MICROSECONDS = tonumber(now()) + (number_in(ahead or '') or 0) * 1000
  NOW = math.floor(MICROSECONDS / 1000)
  return (number or '0') ~= '0'
end

-- Whether a run is paused, by itself, its flow or its mob; where its executions stand aside, nil if they stay in their
-- queues; and all places where they may stand aside. `scopes`: its mob, and its mob and flow.
local function hold_of(pauses, paused, run_id, scopes)
  local of_mob, of_flow = unpack(redis.call('HMGET', pauses, 'm' .. scopes[1], 'f' .. scopes[2]), 1, 2)
  if not of_mob and not of_flow then expect_whole('HLEN', pauses) end
  local by_run, by_flow = 'pr' .. run_id, 'pf' .. scopes[2]
  return {
    is_paused = (paused or of_mob or of_flow) and true or false,
    place = paused and by_run or of_flow and by_flow or nil,
    places = { by_run, by_flow },
  }
end

local function pause_record(reason)
  return decimal(MICROSECONDS) .. ' ' .. reason .. '\n'
end
