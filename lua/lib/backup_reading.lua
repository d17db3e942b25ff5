-- Reads keys of any type for a backup. A record is its kind, a key and the content; lua/backup/write writes it again:
-- R = the key is empty, and the records behind this one have all of it; H, Z, S = fields, members with scores, members;
-- L = an index and the items from there on; X = the id of the first entry of the stream, and entries; h, z, x = fields,
-- members, ids of entries that were removed; E = when it expires, in ms.

local MEASURES = { hash = 'HLEN', zset = 'ZCARD', set = 'SCARD', list = 'LLEN', stream = 'XLEN' }

local function type_of(key)
  return redis.call('TYPE', key).ok
end

local function length_of(kind, key)
  return redis.call(MEASURES[kind], key)
end

local function expiry_of(records, key)
  local left = redis.call('PTTL', key)
  if left >= 0 then
    local clock = redis.call('TIME')
    records[#records + 1] = { 'E', key, string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000) + left) }
  end
end

local function first_of(key)
  local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
  return first and first[1] or ''
end

local function read_whole(records, key, kind)
  if kind == 'hash' then
    records[#records + 1] = { 'H', key, redis.call('HGETALL', key) }
  elseif kind == 'zset' then
    records[#records + 1] = { 'Z', key, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') }
  elseif kind == 'set' then
    records[#records + 1] = { 'S', key, redis.call('SMEMBERS', key) }
  elseif kind == 'list' then
    records[#records + 1] = { 'L', key, 0, redis.call('LRANGE', key, 0, -1) }
  elseif kind == 'stream' then
    records[#records + 1] = { 'X', key, first_of(key), redis.call('XRANGE', key, '-', '+') }
  end
  expiry_of(records, key)
end

-- What has changed by a note of lib/change_tracking. Of what is longer than `most` only {P, key, type, from where on}.
local function read_change(records, field, value, most)
  local length, first = string.match(field, '^(%d+):()')
  local key = string.sub(field, first, first + length - 1)
  local what, element = string.sub(field, first + length, first + length), string.sub(field, first + length + 1)
  local kind = type_of(key)
  local record
  if kind == 'none' then
    record = { 'R', key }
  elseif what == 'w' then
    if length_of(kind, key) > most then
      record = { 'P', key, kind, '' }
    else
      records[#records + 1] = { 'R', key }
      return read_whole(records, key, kind)
    end
  elseif what == 's' and kind == 'list' then
    local items = redis.call('LRANGE', key, value, value + most)
    record = #items > most and { 'P', key, kind, value } or { 'L', key, tonumber(value), items }
  elseif what == 's' then
    local entries = redis.call('XRANGE', key, value, '+', 'COUNT', most + 1)
    record = #entries > most and { 'P', key, kind, value } or { 'X', key, first_of(key), entries }
  elseif kind == 'hash' then
    local now = redis.call('HGET', key, element)
    record = now and { 'H', key, { element, now } } or { 'h', key, { element } }
  elseif kind == 'zset' then
    local now = redis.call('ZSCORE', key, element)
    record = now and { 'Z', key, { element, now } } or { 'z', key, { element } }
  elseif kind == 'stream' and not redis.call('XRANGE', key, element, element)[1] then
    record = { 'x', key, { element } }
  end
  records[#records + 1] = record
end
