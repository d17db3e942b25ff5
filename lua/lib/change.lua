-- The change of one snapshot in a hash: its digest is compared, then its changed groups are written (decision 0002).
-- An expected digest of '' means that the snapshot must be absent.
-- A change stands in ARGV: field, expected digest, next one, a count and that many fields and values of groups, a count
-- and that many fields of groups that are dropped. Scripts hold the position of its field.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/compare
--- @include lib/many_fields

local function take_change()
  local change = position + 1
  local dropped = change + 4 + ARGV[change + 3]
  position = dropped + ARGV[dropped]
  return change
end

local function matches(key, change)
  return is_as_read(key, ARGV[change + 1], redis.call('HGET', key, ARGV[change]))
end

local function all_match(key, changes)
  local fields = {}
  for i, change in ipairs(changes) do fields[i] = ARGV[change] end
  local stored = values_of(key, fields)
  for i, change in ipairs(changes) do
    if not is_as_read(key, ARGV[change + 1], stored[i]) then return false end
  end
  return true
end

local function write(key, change)
  local first, dropped = change + 4, change + 4 + ARGV[change + 3]
  if dropped - first < CHUNK then
    mutate('HSET', key, ARGV[change], ARGV[change + 2], unpack(ARGV, first, dropped - 1))
  else
    mutate('HSET', key, ARGV[change], ARGV[change + 2])
    in_chunks('HSET', key, ARGV, first, dropped - 1)
  end
  if ARGV[dropped] ~= '0' then in_chunks('HDEL', key, ARGV, dropped + 1, dropped + ARGV[dropped]) end
end

-- Changes of a digest or a record alone, such as those of executions, are written together. What stays as it was is only
-- compared.
local function write_all(key, changes)
  local alone = {}
  for _, change in ipairs(changes) do
    if ARGV[change + 3] == '0' and ARGV[change + 4] == '0' then
      if ARGV[change + 1] ~= ARGV[change + 2] then
        alone[#alone + 1], alone[#alone + 2] = ARGV[change], ARGV[change + 2]
      end
    else
      write(key, change)
    end
  end
  in_chunks('HSET', key, alone)
end

-- The parts of changes of records, for one that keeps some elsewhere: records and their fields; fields that go, since
-- there is no next record or they are dropped with one; and the fields and values of groups.
local function parted(changes)
  local changed, left, kept = {}, {}, {}
  for _, change in ipairs(changes) do
    if ARGV[change + 2] == '' then
      left[#left + 1] = ARGV[change]
    else
      changed[#changed + 1], changed[#changed + 2] = ARGV[change], ARGV[change + 2]
    end
    local dropped = change + 4 + ARGV[change + 3]
    for i = change + 4, dropped - 1 do kept[#kept + 1] = ARGV[i] end
    for i = dropped + 1, dropped + ARGV[dropped] do left[#left + 1] = ARGV[i] end
  end
  return changed, left, kept
end
