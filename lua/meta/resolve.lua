-- Learn what became of a call, and if nothing has yet, see to it that nothing ever does.
--
-- KEYS   1 session
-- ARGV   slot, sequence number of the call
-- Reply  {1, its reply as the protocol spells it} | {0} when it never was executed, and never will be | {-1} when that
--        cannot be told: the session has expired, or the slot has gone on
-- Leaves an empty receipt in the place of a call that was not executed, which fences it (see lib/session).

local receipt = redis.call('HGET', KEYS[1], ARGV[1])
if receipt then
  local space = string.find(receipt, ' ', 1, true)
  local last = tonumber(string.sub(receipt, 1, space - 1))
  if last > tonumber(ARGV[2]) then return { -1 } end
  if last == tonumber(ARGV[2]) then
    return space < #receipt and { 1, string.sub(receipt, space + 1) } or { 0 }
  end
elseif redis.call('EXISTS', KEYS[1]) == 0 then
  return { -1 }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ')
return { 0 }
