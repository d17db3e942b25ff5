-- Announce the seal keys that a storage opens a namespace with.
--
-- ARGV   sealing: id of the key that seals, empty without one; opening: ids of all keys that open
-- Reply  the ids in use that are not among them
-- Leaves the sealing key in use; nothing changed when any id is missing.

--- @include lib/arguments
--- @include lib/mutate

--- @keys in_use
--- @args sealing opening*
local known = {}
for _, id in ipairs(opening) do
  known[id] = true
end

local missing = {}
for _, id in ipairs(redis.call('SMEMBERS', in_use)) do
  if not known[id] then
    missing[#missing + 1] = id
  end
end

if #missing == 0 and sealing ~= '' then
  mutate('SADD', in_use, sealing)
end
return missing
