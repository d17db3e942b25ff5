-- Every write of a script goes through here and is counted, so that a script that ends in an error knows whether it had
-- an effect before: only without one may its caller be told that nothing happened. Reads use redis.call.

local mutations = 0

local function mutate(...)
  local reply = redis.call(...)
  mutations = mutations + 1
  return reply
end
