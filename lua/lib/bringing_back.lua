-- What a flow had waiting while it was paused comes back to its queues, some at a time.

--- @include lib/pauses
--- @include lib/worker_loss

-- whether more is left
local function bring_back_some(pauses, queued, lost, flow, most)
  local aside = 'pf' .. flow
  local members, waiting = beginning_with(queued, aside, most), {}
  for i, member in ipairs(members) do
    local entry = string.sub(member, #aside + 1)
    waiting[i] = (is_suspect(lost, entry) and 's' or 'w') .. entry
  end
  if #members < tonumber(most) then
    in_chunks('ZREM', queued, members)
    in_chunks('ZADD', queued, scored(waiting))
    mutate('HDEL', pauses, 'b' .. flow)
    return false
  end
  in_chunks('ZREM', queued, members)
  in_chunks('ZADD', queued, scored(waiting))
  return true
end
