-- Announce the seal keys that a storage opens a namespace with.
--
-- ARGV   sealing: id of the key that seals, empty without one; opening, values: id and check value of each key that
--        opens; verified: 1 if these keys have opened records of those in use that have no check value
-- Reply  {ids in use that are not among them, ids in use that are other keys here, ids in use without a check value
--        that are not verified}
-- Leaves the sealing key in use, and the check values of the keys in use; nothing changed unless all three are empty.

--- @include lib/arguments
--- @include lib/counters
--- @include lib/damage
--- @include lib/mutate

--- @keys meta seal_keys seal_key_checks
--- @args sealing verified opening* values*
expect_whole('SCARD', seal_keys)
expect_whole('HLEN', seal_key_checks)

if #values ~= #opening then error('there is not a check value for each key') end
local given = {}
for i, id in ipairs(opening) do
  given[id] = values[i]
end
if sealing ~= '' and not given[sealing] then error('the key that seals is not among those that open') end

local known = {}
local flat = redis.call('HGETALL', seal_key_checks)
for i = 1, #flat, 2 do
  known[flat[i]] = flat[i + 1]
end

local missing, others, unverified, new = {}, {}, {}, {}
local is_in_use = {}
for _, id in ipairs(redis.call('SMEMBERS', seal_keys)) do
  is_in_use[id] = true
  if not given[id] then
    missing[#missing + 1] = id
  elseif known[id] and #known[id] ~= #given[id] then
    damaged(seal_key_checks, 'a check value was cut short')
  elseif known[id] and known[id] ~= given[id] then
    others[#others + 1] = id
  elseif not known[id] then
    -- in use since before there were check values: the first key to come need not be the right one
    if verified ~= '1' then unverified[#unverified + 1] = id end
    new[#new + 1] = id
  end
end

if #missing + #others + #unverified == 0 then
  if sealing ~= '' and not is_in_use[sealing] then
    mutate('SADD', seal_keys, sealing)
    new[#new + 1] = sealing
  end
  for _, id in ipairs(new) do
    mutate('HSET', seal_key_checks, id, given[id])
  end
end
return { missing, others, unverified }
