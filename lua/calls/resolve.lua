-- Learn the outcome of a call; one that has not been executed is fenced, so that it never will be.
--
-- ARGV   sequence: number of the call in its slot
-- Reply  {1, its reply as the protocol spells it, which may be an error: see lib/session} | {0} when it never was
--        executed, and never will be | {-1} when that cannot be told: the session has expired, or the slot has gone on |
--        {-2} when the receipt was cut short
-- Leaves a fence in the place of a call that was not executed. It holds the number of the last one that was, so that it
-- does not hide that the receipt of a later one is gone (see lib/session).

--- @include lib/mutate
--- @include lib/receipts
--- @include lib/when_full

--- @keys session
--- @args slot sequence
local receipt = redis.call('HGET', session, slot)
local last = '0'
if receipt then
  local number, first = read_receipt(receipt)
  if not number then return { -2 } end
  if tonumber(number) > tonumber(sequence) then return { -1 } end
  if number == sequence then
    return is_fence(first) and { 0 } or { 1, first }
  end
  last = number
elseif redis.call('HLEN', session) == 0 then
  return { -1 }
end
write_even_when_full(session)
mutate('HSET', session, slot, sequence .. ' ' .. last)
return { 0 }
