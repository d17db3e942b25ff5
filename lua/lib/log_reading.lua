-- Reading on in a stream whose ids are the numbers of a counter in the hash of the namespace.

--- @include lib/counters
--- @include lib/damage

-- the greatest cursor ever given, as decimal text; 0 of a log that is new, or is gone with the whole namespace
local function newest_in(stream, meta, counter)
  local cursor = number_at(meta, counter)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last and tonumber(string.match(last[1], '^%d+')) > cursor then
    damaged(meta, 'its counter ' .. counter .. ' is behind ' .. stream)
  end
  return decimal(cursor)
end

local function entries_after(stream, after, limit)
  return redis.call('XRANGE', stream, '(' .. after .. '-0', '+', 'COUNT', limit)
end
