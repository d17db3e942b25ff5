-- The config documents of a namespace. A place is the packed config namespace and the id behind it: it names a document
-- in every hash, and orders the ids. A version is '<revision> <time>', a past version that and the document behind it.

--- @include lib/arguments
--- @include lib/clock
--- @include lib/replies

-- past versions of a document; with the present one it has 20
local PAST = 19

local function config_keys()
  return { meta = KEYS[1], documents = KEYS[2], versions = KEYS[3], history = KEYS[4], ids = KEYS[5], tokens = KEYS[6],
    feed = KEYS[7], channel = KEYS[8] }
end

local function take_name()
  local namespace, id = take(), take()
  return { namespace = namespace, id = id, place = namespace .. id }
end

local function take_document()
  local write = take_name()
  write.revision, write.document = take(), take()
  return write
end

local function present(keys, place)
  return redis.call('HEXISTS', keys.documents, place) == 1
end

-- decimal text; '0' if there is no document
local function revision_of(keys, place)
  return string.match(redis.call('HGET', keys.versions, place) or '', '^%d+') or '0'
end

-- the first write of each change, so that a server without memory refuses it before anything happened
local function announce(keys, feed_length, kind, write)
  local cursor = redis.call('HINCRBY', keys.meta, 'config_cursor', 1)
  redis.call('XADD', keys.feed, 'MAXLEN', '~', feed_length, cursor .. '-0', 'kind', kind,
    'namespace', write.namespace, 'id', write.id, 'time', now())
  redis.call('HSET', keys.tokens, write.namespace, cursor)
  redis.call('SPUBLISH', keys.channel, cursor)
end

local function version_at(keys, place)
  return (redis.call('HGET', keys.versions, place) or '') .. ' ' .. redis.call('HGET', keys.documents, place)
end

-- past versions stand in a ring, 'n' counts them
local function keep_version(keys, place)
  local count = redis.call('HINCRBY', keys.history, 'n:' .. place, 1)
  redis.call('HSET', keys.history, count % PAST .. ':' .. place, version_at(keys, place))
end

local function forget_versions(keys, place)
  local fields = { 'n:' .. place }
  for slot = 0, PAST - 1 do
    fields[#fields + 1] = slot .. ':' .. place
  end
  redis.call('HDEL', keys.history, unpack(fields))
end

local function put(keys, feed_length, write)
  announce(keys, feed_length, 'put', write)
  if present(keys, write.place) then keep_version(keys, write.place) end
  redis.call('HSET', keys.documents, write.place, write.document)
  redis.call('HSET', keys.versions, write.place, write.revision .. ' ' .. now())
  redis.call('ZADD', keys.ids, 0, write.place)
  return WON
end

-- a document that is not there is as good as deleted: nothing happens, and nobody is told
local function delete(keys, feed_length, write)
  if not present(keys, write.place) then return WON end
  announce(keys, feed_length, 'delete', write)
  redis.call('HDEL', keys.documents, write.place)
  redis.call('HDEL', keys.versions, write.place)
  redis.call('ZREM', keys.ids, write.place)
  forget_versions(keys, write.place)
  return WON
end
