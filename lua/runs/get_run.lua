-- Read one run with everything that belongs to it, at one moment.
--
-- KEYS   1 run   2 frames   3 loops   4 outputs   5 step ledger   6 its outputs   7 failure ledger
--        8 iteration ledger   9 authority inputs
-- ARGV   none
-- Reply  nil, or one array for each of KEYS: fields and values of a hash, or the items of a list
-- Leaves everything as it was.

if redis.call('EXISTS', KEYS[1]) == 0 then return nil end

local parts = {}
for i = 1, 9 do
  local is_list = i == 5 or i >= 7
  parts[i] = is_list and redis.call('LRANGE', KEYS[i], 0, -1) or redis.call('HGETALL', KEYS[i])
end
return parts
