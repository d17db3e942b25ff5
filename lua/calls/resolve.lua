-- Learn what became of a call, and if nothing has yet, see to it that nothing ever does.
--
-- ARGV   sequence: number of the call in its slot
-- Reply  {1, its reply as the protocol spells it, which may be an error: see lib/session} | {0} when it never was
--        executed, and never will be | {-1} when that cannot be told: the session has expired, or the slot has gone on
-- Leaves an empty receipt in the place of a call that was not executed, which fences it (see lib/session).

--- @include lib/mutate
--- @include lib/when_full

--- @keys session
--- @args slot sequence
local receipt = redis.call('HGET', session, slot)
if receipt then
  local space = string.find(receipt, ' ', 1, true)
  local last = tonumber(string.sub(receipt, 1, space - 1))
  if last > tonumber(sequence) then return { -1 } end
  if last == tonumber(sequence) then
    return space < #receipt and { 1, string.sub(receipt, space + 1) } or { 0 }
  end
elseif redis.call('HLEN', session) == 0 then
  return { -1 }
end
write_even_when_full(session)
mutate('HSET', session, slot, sequence .. ' ')
return { 0 }
