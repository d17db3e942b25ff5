-- How much is in each key that holds records. Its owner, the hash of the run or that of the namespace, counts it in the
-- field 'n:<name>', from what each write has added or removed. Only an operator who accepts a loss has a key measured to
-- set its count: that hides damage (decision 0019). The loader tells which keys of a script are counted, and where
-- (connection/calls/headers.py).

--- @include lib/damage

local owners, count_fields = {}, {}

-- by how much a write has changed the number of records in its key, from its reply; the event log counts its own XADD
local SIGNS = { HSET = 1, HSETNX = 1, ZADD = 1, SADD = 1, DEL = 0, HDEL = -1, ZREM = -1, SREM = -1, XDEL = -1 }

-- keys whose changes are gathered, because a script writes them several times
local gathered = {}

local function is_refused_count(words)
  return string.find(words, 'not an integer', 1, true) or string.find(words, 'overflow', 1, true)
end

local function count(key, change)
  if change == 0 then return end
  local reply = redis.pcall('HINCRBY', owners[key], count_fields[key], change)
  -- a count that is no number, or too great for one, stays as it is, since other writes have happened already: reads
  -- tell of it
  if type(reply) == 'table' and reply.err and not is_refused_count(reply.err) then error(reply) end
end

local function count_write(reply, command, key, ...)
  local change
  if command == 'RPUSH' then
    change = select('#', ...)
  elseif command == 'HINCRBY' then
    change = reply == 1 and 1 or 0  -- counters begin at 1
  elseif command == 'XADD' then
    change = 0
  else
    change = SIGNS[command] * reply
  end
  if gathered[key] then
    gathered[key] = gathered[key] + change
  else
    count(key, change)
  end
end

local function gather(...)
  for _, key in ipairs({ ... }) do gathered[key] = 0 end
end

local function count_gathered()
  for key, change in pairs(gathered) do
    count(key, change)
  end
  gathered = {}
end

-- a hash that counts its own records does not count the counts
local function own_records(key)
  local found = 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) ~= 'n:' then found = found + 1 end
  end
  return found
end

-- how many records a key holds; `measure` is the command that tells it of keys of its type
local function size_of(measure, key)
  return key == owners[key] and own_records(key) or redis.call(measure, key)
end

-- the number that a count stands for, nil if it is none: what HINCRBY makes has at most 19 digits
local function count_in(text)
  local digits = string.match(text, '^%-?(%d+)$')
  return digits and #digits <= 19 and tonumber(text) or nil
end

-- The caller has not found what it looked for: that is true only if the key still holds all that was counted. More may
-- be there, written by other programs. A run or namespace of an older release has no counts.
local function expect_whole(measure, key)
  local counts = redis.call('HMGET', owners[key], 'counted', count_fields[key])
  if not counts[1] then return end
  local found, counted = size_of(measure, key), counts[2] or '0'
  local number = count_in(counted)
  if not number then
    damaged(owners[key], 'its field ' .. count_fields[key] .. ' is no number: ' .. string.sub(counted, 1, 40))
  end
  if found < number then
    damaged(key, found .. ' of ' .. counted .. ' records are there')
  end
end
