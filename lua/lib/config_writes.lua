-- Writes of config documents, all of them or none. A write without a document deletes.

--- @include lib/config_documents
--- @include lib/announce
--- @include lib/clock
--- @include lib/counters
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies
--- @include lib/when_full

local function take_document()
  local write = take_name()
  write.revision, write.document = take(), take()
  return write
end

-- a document that is not there is as good as deleted: nothing happens, and no subscriber is told
local function effective(writes)
  local found = {}
  for _, write in ipairs(writes) do
    local here = present(write)
    if here and write.document then
      write.past, write.replaced = past_versions(write.place) + 1, version_of(write)
    end
    if here or write.document then found[#found + 1] = write end
  end
  return found
end

local function log_change(feed_length, cursor, write)
  mutate('XADD', feed, 'MAXLEN', '~', feed_length, decimal(cursor) .. '-0', 'kind', write.document and 'put' or 'delete',
    'namespace', write.namespace, 'id', write.id, 'time', now())
end

local function keep_version(write)
  mutate('HSET', history, past_field(write.place, write.past), write.replaced .. ' ' .. redis.call('HGET', documents, write.place))
  mutate('HSET', history, 'n:' .. write.place, write.past)
end

local function forget_versions(place)
  local fields = { 'n:' .. place }
  for number = 0, PAST - 1 do
    fields[#fields + 1] = past_field(place, number)
  end
  mutate('HDEL', history, unpack(fields))
end

local function put(write)
  if write.past then keep_version(write) end
  mutate('HSET', documents, write.place, write.document)
  mutate('HSET', versions, write.place, write.revision .. ' 0' .. now() .. '\n')
  mutate('ZADD', ids, 0, write.place)
end

local function delete(write)
  mutate('HDEL', documents, write.place)
  mutate('HDEL', versions, write.place)
  mutate('ZREM', ids, write.place)
  forget_versions(write.place)
end

local function only_delete(writes)
  for _, write in ipairs(writes) do
    if write.document then return false end
  end
  return true
end

-- The feed comes first: a stream refuses a cursor that is not greater than its last, which only XADD itself finds out.
local function commit_writes(feed_length, wanted)
  local writes = effective(wanted)
  if #writes == 0 then return WON end
  local before = number_at(meta, 'config_cursor')
  expect_hashes(versions, history, tokens)
  expect_sorted_sets(ids)
  -- deletions make room on a full server; puts take some, and are refused by the first of their changes
  if only_delete(writes) then write_even_when_full(meta) end
  for i, write in ipairs(writes) do
    log_change(feed_length, before + i, write)
  end
  mutate('HSET', meta, 'config_cursor', before + #writes)
  for i, write in ipairs(writes) do
    mutate('HSET', tokens, write.namespace, numeral(before + i))
    local perform = write.document and put or delete
    perform(write)
  end
  announce(channel, before + #writes)
  return WON
end
