-- Announce the seal keys that a storage opens a namespace with.
--
-- KEYS   1 seal keys in use
-- ARGV   id of the key that seals, empty without one; ids of all keys that open
-- Reply  the ids in use that are not among them
-- Leaves the sealing key in use; nothing changed when any id is missing.

--- @include lib/arguments

local sealing, opening = take(), take_list()

local known = {}
for _, id in ipairs(opening) do
  known[id] = true
end

local missing = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if not known[id] then
    missing[#missing + 1] = id
  end
end

if #missing == 0 and sealing ~= '' then
  redis.call('SADD', KEYS[1], sealing)
end
return missing
