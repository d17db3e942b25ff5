-- Reads keys of any type for a backup. A record is its kind, a key and what is there (redis_mob/backup/records.py):
-- R = the key is empty, what follows is all; H, Z, S, L, X = fields, members with scores, members, items from an index
-- on, entries behind the id of the first that is left; h, z, x = elements that are gone; E = when it expires, in ms.

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
