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
  -- What a write has added or removed is counted; one that answers 0 has done neither. The event log counts its own XADD.
  if reply ~= 0 and count_fields and count_fields[key] then
    if command == 'RPUSH' then
      count(key, select('#', ...))
    elseif command == 'HSET' or command == 'HSETNX' or command == 'ZADD' or command == 'SADD' then
      count(key, reply)
    elseif command == 'HDEL' or command == 'ZREM' or command == 'SREM' or command == 'XDEL' then
      count(key, -reply)
    elseif command == 'HINCRBY' then
      if reply == 1 then count(key, 1) end  -- counters begin at 1
    elseif command ~= 'XADD' and command ~= 'DEL' and command ~= 'UNLINK' then
      error(command .. ' is not counted', 0)
    end
  end
  return reply
end
