-- The threads of LangGraph: what their keys hold, and how they are indexed.
--
-- places, a sorted set in lexical order: 'c' and the place of each checkpoint, 'r', the digest of its run and its place,
--   'w', the length of a checkpoint's place, a colon, that place, and which write it is
-- records, a hash: 'c', 'm', 'v' and a place: a checkpoint, its metadata, and which blobs it refers to; 'w' ...: a write;
--   'b' ...: the blob of a version of a channel, which all checkpoints with that version share
-- threads, a sorted set in lexical order: the threads;  expiry, a sorted set: when each thread that expires does, in ms
-- runs, a sorted set in lexical order: 'r', the digest of a run and a thread; and the same by thread: 't', the length of
--   the thread, a colon, the thread, and the digest

--- @include lib/chunk_size
--- @include lib/chunks
--- @include lib/many_fields
--- @include lib/mutate

local DIGEST = 32  -- digits of the digest of a run; zeros stand for none
local NO_RUN = string.rep('0', DIGEST)
local AT_ONCE = 10

local function between(key, prefix, first, most)
  return redis.call('ZRANGE', key, '[' .. prefix, '(' .. prefix .. '\255', 'BYLEX', 'LIMIT', first, most)
end

local function run_in(metadata)
  return string.sub(metadata, 1, DIGEST)
end

-- the id of the checkpoint before, '' for the first one
local function parent_in(metadata)
  local length = string.match(metadata, '^(%d+):', DIGEST + 1)
  local first = DIGEST + #length + 2
  return string.sub(metadata, first, first + length - 1)
end

-- texts, each behind its length and a colon
local function texts_in(joined)
  local found, at = {}, 1
  while at <= #joined do
    local length = string.match(joined, '^(%d+):', at)
    local first = at + #length + 1
    at = first + length
    found[#found + 1] = string.sub(joined, first, at - 1)
  end
  return found
end

local function writes_of(place)
  return 'w' .. #place .. ':' .. place
end

local function place_of_thread(thread, run)
  return 't' .. #thread .. ':' .. thread .. run
end

-- removes a thread from the index of runs; false if there were more of them than one call may take
local function forget_runs(runs, thread)
  local prefix = place_of_thread(thread, '')
  local found = between(runs, prefix, 0, CHUNK)
  local gone = {}
  for _, member in ipairs(found) do
    gone[#gone + 1] = member
    gone[#gone + 1] = 'r' .. string.sub(member, #prefix + 1) .. thread
  end
  in_chunks('ZREM', runs, gone)
  return #found < CHUNK
end

local function milliseconds_now()
  local parts = redis.call('TIME')
  return parts[1] * 1000 + math.floor(parts[2] / 1000)
end

-- The keys of a thread expire by themselves; its places in the indexes go here, some with each write.
local function forget_expired(threads, expiry, runs, now)
  -- a second later, so that the keys are gone for certain
  for _, thread in ipairs(redis.call('ZRANGE', expiry, '-inf', now - 1000, 'BYSCORE', 'LIMIT', 0, AT_ONCE)) do
    if forget_runs(runs, thread) then
      mutate('ZREM', threads, thread)
      mutate('ZREM', expiry, thread)
    end
  end
end

-- lists a thread that was written to, which is gone in so many milliseconds, '' = never
local function keep_thread(keys, thread, time_to_live)
  mutate('ZADD', keys.threads, 0, thread)
  if time_to_live == '' then
    if redis.call('ZSCORE', keys.expiry, thread) then
      mutate('PERSIST', keys.places)
      mutate('PERSIST', keys.records)
      mutate('ZREM', keys.expiry, thread)
    end
    return
  end
  local now = milliseconds_now()
  mutate('PEXPIRE', keys.places, time_to_live)
  mutate('PEXPIRE', keys.records, time_to_live)
  mutate('ZADD', keys.expiry, now + time_to_live, thread)
  forget_expired(keys.threads, keys.expiry, keys.runs, now)
end

local function remove_thread(keys, thread)
  mutate('UNLINK', keys.places, keys.records)
  repeat until forget_runs(keys.runs, thread)
  mutate('ZREM', keys.threads, thread)
  mutate('ZREM', keys.expiry, thread)
end
