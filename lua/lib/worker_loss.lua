-- A worker is gone: what it held waits for others. In `lost` stands for each of its executions how it was lost: a letter,
-- the time (ms), the worker, a zero byte, its host and a line feed. The letters: 'a' its worker stopped renewing its lease
-- and held nothing else; 's' it was the only suspect that this worker held; 'n' others may as well have been the cause; 'l'
-- the worker handed it back, 'p' likewise, and it was a suspect from before. All but 'l' are tried again as suspects.

--- @include lib/damage
--- @include lib/schedule

local function is_suspect(lost, entry)
  local how = redis.call('HGET', lost, entry) or 'l'
  if how == '' then damaged(lost, 'how an execution was lost was cut short') end
  return string.sub(how, 1, 1) ~= 'l'
end

-- Workers leave to others what those are made for (see take_due): they are to know of each that comes or goes.
local function workers_change(meta)
  mutate('HSET', meta, 'workers_changed', decimal(renewed_field(meta, 'workers_changed') + 1))
end

local REMEMBERED_MS = 24 * 3600 * 1000

-- the id of a worker that was lost, for a day: it may still commit what it has decided (see lib/schedule)
local function remember_gone(lost, id, at)
  local old = {}
  for _, field in ipairs(redis.call('HKEYS', lost)) do
    if string.sub(field, 1, 1) == 'g' then
      local since = number_in(redis.call('HGET', lost, field) or '')
      if not since or since < NOW - REMEMBERED_MS then old[#old + 1] = field end
    end
  end
  in_chunks('HDEL', lost, old)
  mutate('HSET', lost, 'g' .. id, numeral(at))
end

local function how_lost(is_orderly, flag, suspects, held)
  local was_suspect = flag == 's'
  if is_orderly then return was_suspect and 'p' or 'l' end
  if held == 1 then return 'a' end
  return was_suspect and suspects == 1 and 's' or 'n'
end

-- `worker` is a member of `workers`: its id, its host and what it says of itself, with a zero byte between. Adds the queues
-- in which limits have room again to `opened`.
local function let_go(meta, workers, queued, ready, lost, gated, worker, at, is_orderly, opened)
  local id, host = string.match(worker, '^(%Z*)%z?(%Z*)')
  local prefix = 'h' .. id .. '\0'
  local held, suspects = beginning_with(queued, prefix), 0
  for _, member in ipairs(held) do
    if string.sub(member, #prefix + 1, #prefix + 1) == 's' then suspects = suspects + 1 end
  end
  local entries, gone, records, waiting, not_gated, in_lanes, freed = {}, {}, {}, {}, {}, {}, {}
  for i, member in ipairs(held) do
    local entry = string.sub(member, #prefix + 2)
    local letter = how_lost(is_orderly, string.sub(member, #prefix + 1, #prefix + 1), suspects, #held)
    local lane = lane_of(entry)
    entries[i] = entry
    gone[#gone + 1], gone[#gone + 2], gone[#gone + 3] = member, 'l' .. entry, 'o' .. entry
    if lane then
      uncount(gated, lane, entry, not_gated, freed, {})
      put_in_lane(letter == 'l' and 'v' or 't', lane, entry, in_lanes)
    else
      waiting[#waiting + 1] = (letter == 'l' and 'w' or 's') .. entry
    end
    records[2 * i - 1], records[2 * i] = entry, loss_record(letter, at, id, host)
  end
  in_chunks('HSET', lost, records)
  in_chunks('ZREM', ready, entries)
  in_chunks('ZADD', queued, scored(waiting))
  in_chunks('ZREM', queued, gone)
  in_chunks('ZADD', gated, scored(in_lanes))
  in_chunks('ZREM', gated, not_gated)
  pass_all_on(gated, freed, opened)
  if not is_orderly then remember_gone(lost, id, at) end
  mutate('ZREM', workers, worker)
  workers_change(meta)
  return #held
end
