-- The change of one snapshot in a hash: its digest is compared, then its changed groups are written (decision 0002).
-- An expected digest of '' means that the snapshot must be absent.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/damage

local function take_change()
  return { field = take(), expected = take(), next = take(), groups = take_list(), dropped = take_list() }
end

local function matches(key, change)
  local stored, expected = redis.call('HGET', key, change.field), change.expected
  if not stored then
    expect_whole('HLEN', key)
    return expected == ''
  end
  -- none of them is empty, or the beginning of another one
  if stored == '' or #stored < #expected and string.sub(expected, 1, #stored) == stored then
    damaged(key, 'a digest or a record in it was cut short')
  end
  return stored == expected
end

local function all_match(key, changes)
  for _, change in ipairs(changes) do
    if not matches(key, change) then return false end
  end
  return true
end

local function write(key, change)
  mutate('HSET', key, change.field, change.next)
  in_chunks('HSET', key, change.groups)
  in_chunks('HDEL', key, change.dropped)
end

local function write_all(key, changes)
  for _, change in ipairs(changes) do
    write(key, change)
  end
end
