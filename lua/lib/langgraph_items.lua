-- The items of a store of LangGraph: what their keys hold.
--
-- items, a hash: by place the times of creation and change (us), for how long it stays after each use (ms, 0 = it stays),
--   each with a space behind it, and the value
-- places, a sorted set in lexical order: the places;  expiry, a sorted set: when those that expire are gone, in ms

--- @include lib/chunk_size
--- @include lib/chunks
--- @include lib/clock
--- @include lib/many_fields
--- @include lib/mutate

local AT_ONCE = 20

local function milliseconds_now()
  return math.floor(now() / 1000)
end

local function times_in(item)
  return string.match(item, '^(%d+) (%d+) (%d+) ')
end

-- which of these places are of items that are gone, whether they are still there or not
local function gone_of(expiry, places)
  local gone = {}
  if #places == 0 or redis.call('ZCARD', expiry) == 0 then return gone end
  for first = 1, #places, CHUNK do
    local part = redis.call('ZMSCORE', expiry, unpack(places, first, math.min(first + CHUNK - 1, #places)))
    for i, at in ipairs(part) do
      if at and tonumber(at) <= milliseconds_now() then gone[places[first + i - 1]] = true end
    end
  end
  return gone
end

-- Some items that have expired go with each write: adds their places to those that go, but for some that stay.
local function add_expired(expiry, stay, gone)
  local expired = redis.call('ZRANGE', expiry, '-inf', milliseconds_now(), 'BYSCORE', 'LIMIT', 0, AT_ONCE)
  for _, place in ipairs(expired) do
    if not stay[place] then gone[#gone + 1] = place end
  end
end

-- comes last, since keys that this may empty are not touched again
local function remove_items(items, places, expiry, gone)
  in_chunks('HDEL', items, gone)
  in_chunks('ZREM', places, gone)
  in_chunks('ZREM', expiry, gone)
end
