-- Make sure that the receipts of some calls are on this server, before waiting until it has made them safe
-- (decision 0016).
--
-- ARGV   {slot, sequence number} of each call
-- Reply  {the positions, from 1, of the calls that have no receipt here; what the server says if it refused the mark}
-- Leaves a mark that is written after all these calls, so that a wait for it is a wait for them.

--- @include lib/mutate
--- @include lib/when_full

--- @keys session
local missing, marked, refusal = {}, true, nil
for i = 1, #ARGV, 2 do
  local receipt = redis.call('HGET', session, ARGV[i]) or ''
  if string.match(receipt, '^%d*') ~= ARGV[i + 1] then
    missing[#missing + 1] = (i + 1) / 2
  end
end
-- No mark where every receipt is missing: it would create the session anew, and calls/resolve would take a session that
-- is lost for one that still knows its calls.
if 2 * #missing < #ARGV then
  write_even_when_full(session)
  marked, refusal = pcall(function() mutate('HINCRBY', session, 'confirmed', 1) end)
end
return { missing, marked and '' or refusal }
