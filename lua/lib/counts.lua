-- How much is in each key that holds records. Its owner, the hash of the run or that of the namespace, counts it in the
-- field 'n:<name>', from what each write has added or removed. Only an operator who accepts a loss has a key measured to
-- set its count: that hides damage (decision 0019). The loader tells which keys of a script are counted, and where
-- (connection/calls/headers.py).

-- the field that counts the records of a key, and the key that has the field: `owner`, but for those that have another one
local count_fields, owner, owners

-- the changes by key, while lib/gathering gathers them
local gathered

local function count(key, change)
  if gathered then
    gathered[key] = (gathered[key] or 0) + change
    return
  end
  local reply = redis.pcall('HINCRBY', owners and owners[key] or owner, count_fields[key], change)
  if type(reply) ~= 'table' or not reply.err then return end
  -- a count that is no number, or too great for one, stays as it is, since other writes have happened already: reads
  -- tell of it
  if string.find(reply.err, 'not an integer', 1, true) or string.find(reply.err, 'overflow', 1, true) then return end
  error(reply)
end

-- The caller has not found what it looked for: that is true only if the key still holds all that was counted. More may
-- be there, written by other programs. A run or namespace of an older release has no counts.
local function expect_whole(measure, key)
  local owner_of_key, field = owners and owners[key] or owner, count_fields[key]
  local counts = redis.call('HMGET', owner_of_key, 'counted', field)
  if not counts[1] then return end
  --- @include lib/damage
  --- @include lib/measuring
  local found, counted = size_of(measure, key), counts[2] or '0'
  local number = count_in(counted)
  if not number then
    damaged(owner_of_key, 'its field ' .. field .. ' is no number: ' .. string.sub(counted, 1, 40))
  end
  if found < number then
    damaged(key, found .. ' of ' .. counted .. ' records are there')
  end
end
