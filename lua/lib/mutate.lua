-- Every write of a script goes through here and is counted, so that a script that ends in an error knows whether it had
-- an effect before: only without one may its caller be told that nothing happened. Reads use redis.call.

--- @include lib/counts

local mutations = 0
local attempted, attempted_on  -- command and key of the write that has not returned

local function mutate(command, key, ...)
  attempted, attempted_on = command, key
  local reply = redis.call(command, key, ...)
  attempted = nil
  mutations = mutations + 1
  if count_fields[key] then count_write(reply, command, key, ...) end
  return reply
end
