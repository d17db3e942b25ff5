-- Read the head of a scope.
--
-- Reply  nil (there is no such scope) | {version, commit id, head}
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



local function head_at(key, field)
  local head = redis.call('HGET', key, field)
  if not head then damaged(key, 'the head of scope ' .. string.sub(field, 1, 40) .. ' is gone') end
  return head
end




local meta, host_scopes, host_heads = KEYS[1], KEYS[2], KEYS[3] count_fields, owner = { [host_scopes] = 'n:host_scopes', [host_heads] = 'n:host_heads' }, meta
local field = ARGV[1]
local scope = scope_at(host_scopes, field)
return scope and { scope.version, scope.commit, head_at(host_heads, field) }
