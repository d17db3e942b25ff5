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
--- @include lib/counted_texts
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

local function writes_of(place)
  return 'w' .. #place .. ':' .. place
end

local function place_of_thread(thread, run)
  return 't' .. #thread .. ':' .. thread .. run
end

-- adds the places of a thread in the index of runs to a list, for at most a number of its runs; false if it has more
local function add_runs_of(runs, thread, most, list)
  local prefix = place_of_thread(thread, '')
  local found = between(runs, prefix, 0, most)
  for _, member in ipairs(found) do
    list[#list + 1] = member
    list[#list + 1] = 'r' .. string.sub(member, #prefix + 1) .. thread
  end
  return #found ~= most
end

local function milliseconds_now()
  local parts = redis.call('TIME')
  return parts[1] * 1000 + math.floor(parts[2] / 1000)
end

-- takes threads out of the indexes; keys that this may empty are not touched again
local function unlist(keys, gone, gone_runs)
  in_chunks('ZREM', keys.runs, gone_runs)
  in_chunks('ZREM', keys.threads, gone)
  in_chunks('ZREM', keys.expiry, gone)
end

-- The keys of a thread expire by themselves; its places in the indexes go here, some with each write.
local function unlist_expired(keys, now)
  local gone, gone_runs = {}, {}
  -- a second later, so that the keys are gone for certain
  local expired = redis.call('ZRANGE', keys.expiry, '-inf', now - 1000, 'BYSCORE', 'LIMIT', 0, AT_ONCE)
  for _, thread in ipairs(expired) do
    if add_runs_of(keys.runs, thread, CHUNK, gone_runs) then gone[#gone + 1] = thread end
  end
  unlist(keys, gone, gone_runs)
end

-- lists a thread that was written to; time_to_live: in how many ms it is gone, '' = never; comes last
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
  unlist_expired(keys, now)
end

local function remove_thread(keys, thread)
  local gone_runs = {}
  add_runs_of(keys.runs, thread, -1, gone_runs)
  mutate('UNLINK', keys.places, keys.records)
  unlist(keys, { thread }, gone_runs)
end
