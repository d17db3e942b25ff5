-- Take out of use the seal keys that no record needs any more.
--
-- KEYS   1 seal keys in use
-- ARGV   ids
-- Reply  nothing
-- Leaves the other keys in use.

--- @include lib/arguments

for _, id in ipairs(take_list()) do
  redis.call('SREM', KEYS[1], id)
end
