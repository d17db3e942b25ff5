-- The scopes of a host store. A record is 'version start end commit\n': its visible rows are those from `start` to before
-- `end`. The field of a scope is a letter for its kind, and its name, which has no control characters.

--- @include lib/counts
--- @include lib/counters
--- @include lib/damage

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

local function scope_text(scope)
  return decimal(scope.version) .. ' ' .. decimal(scope.first) .. ' ' .. decimal(scope.last) .. ' ' .. scope.commit .. '\n'
end

local function head_at(key, field)
  local head = redis.call('HGET', key, field)
  if not head then damaged(key, 'the head of scope ' .. string.sub(field, 1, 40) .. ' is gone') end
  return head
end

local function row_field(field, index)
  return field .. '\0' .. decimal(index)
end
