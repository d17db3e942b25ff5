-- The runs of agents of pydantic-ai: what their keys hold.
--
-- records, a hash: 'm' and a digest: a message; 'k' and an identity: that an event or a snapshot is there; 't' and an id:
--   what a call of a tool has come to; 'o' ...: the result of a call that is made once
-- events, a list;  snapshots, a list: of each c or i (complete or interrupted), the length of its digests, a colon, the
--   digests of its messages, and the rest
-- runs, a hash: by id the places of a run, joined behind their length and a colon, and its record
-- places, a sorted set in lexical order: what a run is found by, and its id;  expiry, a sorted set: when each run that
--   expires is gone, in ms

--- @include lib/chunk_size
--- @include lib/chunks
--- @include lib/counted_texts
--- @include lib/many_fields
--- @include lib/mutate

local DIGEST = 32  -- digits of the digest of a message
local AT_ONCE = 10

-- the places in a run as it is stored
local function places_in(stored)
  local length = string.match(stored, '^(%d+):')
  return texts_in(stored, #length + 2, #length + 1 + length)
end

-- takes runs out of the indexes; keys that this may empty are not touched again
local function unlist_runs(keys, gone)
  local members = {}
  for _, stored in ipairs(values_of(keys.runs, gone)) do
    for _, place in ipairs(stored and places_in(stored) or {}) do members[#members + 1] = place end
  end
  in_chunks('ZREM', keys.places, members)
  in_chunks('HDEL', keys.runs, gone)
  in_chunks('ZREM', keys.expiry, gone)
end

-- says that a run was written to; time_to_live: in how many ms it is gone, '' = never
local function keep_run(keys, run, time_to_live)
  if time_to_live == '' then
    if redis.call('ZSCORE', keys.expiry, run) then
      for _, key in ipairs(keys.own) do mutate('PERSIST', key) end
      mutate('ZREM', keys.expiry, run)
    end
    return
  end
  local parts = redis.call('TIME')
  local now = parts[1] * 1000 + math.floor(parts[2] / 1000)
  for _, key in ipairs(keys.own) do mutate('PEXPIRE', key, time_to_live) end
  mutate('ZADD', keys.expiry, now + time_to_live, run)
  -- the keys of a run expire by themselves; its places go here, a second later, so that the keys are gone for certain
  unlist_runs(keys, redis.call('ZRANGE', keys.expiry, '-inf', now - 1000, 'BYSCORE', 'LIMIT', 0, AT_ONCE))
end

-- the digests of the messages of a snapshot, and where they end
local function digests_in(snapshot)
  local length = string.match(snapshot, '^%a(%d+):')
  local first, found = #length + 3, {}
  for at = first, first + length - 1, DIGEST do found[#found + 1] = string.sub(snapshot, at, at + DIGEST - 1) end
  return found
end
