-- Make sure that the receipts of some calls are on this server, before waiting until it has made them safe
-- (decision 0016).
--
-- ARGV   {slot, sequence number} of each call
-- Reply  the places, from 1, of the calls that have no receipt here
-- Leaves a mark that is written after all these calls, so that a wait for it is a wait for them.

--- @include lib/mutate

--- @keys session
local missing = {}
for i = 1, #ARGV, 2 do
  local receipt = redis.call('HGET', session, ARGV[i]) or ''
  if string.match(receipt, '^%d*') ~= ARGV[i + 1] then
    missing[#missing + 1] = (i + 1) / 2
  end
end
if 2 * #missing < #ARGV then
  mutate('HINCRBY', session, 'confirmed', 1)
end
return missing
