-- Read rows of a scope in the order of their indices, at one moment.
--
-- ARGV   field; from: index of the first; limit: how many at most; version: that the scope must have, '' = any
-- Reply  nil (there is no such scope) | {CONFLICT, version} (it has another one) | {LOST, index of the first visible row}
--        (`from` is before it) | {WON, version, '1' if there are more of them, row...}; a page ends early behind 8 MiB
-- Leaves everything as it was.

-- The scopes of a host store. A record is 'version start end commit\n': its visible rows are those from `start` to before
-- `end`. The field of a scope is a letter for its kind, and its name, which has no control characters.

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
  -- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.
  
  local function damaged(key, what)
    error('DAMAGED ' .. key .. ' ' .. what, 0)
  end
  
  -- How many records a key of lib/counts holds, beside its count.
  
  -- how many records a key holds; `measure` is the command that tells it of keys of its type
  local function size_of(measure, key)
    if key ~= (owners and owners[key] or owner) then return redis.call(measure, key) end
    -- a hash that counts its own records does not count the counts
    local found = 0
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.sub(field, 1, 2) ~= 'n:' then found = found + 1 end
    end
    return found
  end
  
  -- the number that a count stands for, nil if it is none: what HINCRBY makes has at most 19 digits
  local function count_in(text)
    local digits = string.match(text, '^%-?(%d+)$')
    return digits and #digits <= 19 and tonumber(text) or nil
  end
  
  local found, counted = size_of(measure, key), counts[2] or '0'
  local number = count_in(counted)
  if not number then
    damaged(owner_of_key, 'its field ' .. field .. ' is no number: ' .. string.sub(counted, 1, 40))
  end
  if found < number then
    damaged(key, found .. ' of ' .. counted .. ' records are there')
  end
end

-- Numbers in fields of hashes. Counters are read first and written with HSET: HINCRBY would refuse one that is no number
-- when other writes have happened already.
-- A number that stands alone, and is not counted on by older releases, is written between a space and a line feed, so
-- that one which was cut short is not taken for another one.

-- numbers of Lua are exact up to 15 digits
local MOST_DIGITS = 15

-- the number that a text stands for, nil if it is none


-- The number in a field, 0 if there is no such field. `text` is what stands there if that was read already, false for
-- nothing.


-- a count as decimal text, however great it is
local function decimal(count)
  return string.format(count < 1e15 and '%d' or '%.0f', count)  -- the first one is the faster
end



-- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.

local function damaged(key, what)
  error('DAMAGED ' .. key .. ' ' .. what, 0)
end


-- how many bytes of heads or rows one reply has, but for the last of them
local PAGE = 8 * 1024 * 1024

local function record_of(key, field, text)
  local version, first, last, commit = string.match(text, '^(%d+) (%d+) (%d+) ([^\n]+)\n$')
  if not version then damaged(key, 'its record of scope ' .. string.sub(field, 1, 40) .. ' cannot be read') end
  return { version = tonumber(version), first = tonumber(first), last = tonumber(last), commit = commit }
end

-- the record of a scope, nil if there is none
local function scope_at(key, field)
  local text = redis.call('HGET', key, field)
  if not text then
    expect_whole('HLEN', key)
    return nil
  end
  return record_of(key, field, text)
end





local function row_field(field, index)
  return field .. '\0' .. decimal(index)
end

-- The reply codes that all scripts share; redis_mob/connection/calls/replies.py gives them their meaning.

local WON = 1
local LOST = 0
local NOT_FOUND = -1
local EXISTS = -2
local CONFLICT = -3
local NO_STEP = -4


local meta, host_scopes, host_rows = KEYS[1], KEYS[2], KEYS[3] count_fields, owner = { [host_scopes] = 'n:host_scopes', [host_rows] = 'n:host_rows' }, meta
local field, from, limit, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local scope = scope_at(host_scopes, field)
if not scope then return nil end
if version ~= '' and tonumber(version) ~= scope.version then return { CONFLICT, scope.version } end
local first = tonumber(from)
if first < scope.first then return { LOST, scope.first } end

local reply, size = { WON, scope.version, 0 }, 0
local last = math.min(first + tonumber(limit), scope.last) - 1
for index = first, last do
  if size >= PAGE then
    reply[3] = 1
    break
  end
  local row = redis.call('HGET', host_rows, row_field(field, index))
  if not row then
    damaged(host_rows, 'row ' .. decimal(index) .. ' of scope ' .. string.sub(field, 1, 40) .. ' is gone')
  end
  reply[#reply + 1] = row
  size = size + #row
end
return reply
