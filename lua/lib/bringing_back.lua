-- What was paused comes back to its queues.

--- @include lib/pauses
--- @include lib/worker_loss

-- lets executions that stand aside behind some letters wait again: one with limits in its lane
local function bring_back(queued, lost, gated, members, before)
  local waiting, in_lanes = {}, {}
  for _, member in ipairs(members) do
    local entry = string.sub(member, #before + 1)
    local lane, is_lost = lane_of(entry), is_suspect(lost, entry)
    if lane then
      put_in_lane(is_lost and 't' or 'v', lane, entry, in_lanes)
    else
      waiting[#waiting + 1] = (is_lost and 's' or 'w') .. entry
    end
  end
  in_chunks('ZREM', queued, members)
  in_chunks('ZADD', queued, scored(waiting))
  in_chunks('ZADD', gated, scored(in_lanes))
end

-- what a flow had waiting while it was paused, some at a time; returns whether more is left
local function bring_back_some(pauses, queued, lost, gated, flow, most)
  local aside = 'pf' .. flow
  local members = beginning_with(queued, aside, most)
  bring_back(queued, lost, gated, members, aside)
  local is_more = #members == tonumber(most)
  if not is_more then mutate('HDEL', pauses, 'b' .. flow) end
  return is_more
end
