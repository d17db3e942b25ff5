-- Take what is due: it is hidden from other workers for a while, in which the caller works on it. Workers whose leases have
-- expired are let go of first.
--
-- KEYS   due: runs by time; ready, queued: executions (see lib/schedule); queues: all queues, with the limits of their roles
-- ARGV   max_runs, max_executions, max_suspects: greatest number of each; keep: how long they are kept from others (ms);
--        known_queues: how many the caller knows; wanted: the queues that it serves, what the entries of their roles begin
--        with, and the last run that it took from each
-- Reply  {now (ms), when the next run and the next execution is due and the next lease of a worker expires (ms, or '' if
--        none does), runs, executions, how each was lost ('' if it was not), whether executions wait in the queues, all
--        queues if the caller does not know them}
-- Leaves what was taken due again after that while, unless its transition says otherwise before.

--- @include lib/announce
--- @include lib/clock_keeping
--- @include lib/key_types
--- @include lib/worker_loss

local LOOKED_AT = 1000

-- queue, rank of priority and packed id of the run: 1 and 38 bytes
local RANK, RUN = 1, 38

local function take_wanted()
  return { queue = take(), role = take(), cursor = take() }
end

--- @keys meta due ready queued workers lost queues channel
--- @args max_runs max_executions max_suspects keep known_queues wanted:wanted*
keep_clock(meta)
expect_sorted_sets(due, ready, queued, workers)
expect_hashes(lost)

local function let_go_of_expired()
  local number = 0
  local expired = redis.call('ZRANGE', workers, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 100, 'WITHSCORES')
  for i = 1, #expired, 2 do
    number = number + let_go(workers, queued, ready, lost, expired[i], tonumber(expired[i + 1]), false)
  end
  if number > 0 then announce(channel, '') end
end

-- what has waited for its time waits to be taken; an entry of an older release makes its run due, which enters it anew
local function queue_due()
  local entries = redis.call('ZRANGE', ready, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, LOOKED_AT)
  if #entries == 0 then return end
  local waiting, gone = {}, {}
  for _, entry in ipairs(entries) do
    if string.byte(entry) == 147 then
      waiting[#waiting + 1] = (is_suspect(lost, entry) and 's' or 'w') .. entry
      gone[#gone + 1] = 'l' .. entry
    else
      local run_id = string.match(entry, '\217\36(' .. string.rep('[%x-]', 36) .. ')')
      if run_id then mutate('ZADD', due, NOW, run_id) end
    end
  end
  in_chunks('ZREM', ready, entries)
  in_chunks('ZADD', queued, scored(waiting))
  in_chunks('ZREM', queued, gone)
end

local function take_runs(limit)
  local taken = {}
  if limit > 0 then taken = redis.call('ZRANGE', due, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, math.min(limit, LOOKED_AT)) end
  for _, run_id in ipairs(taken) do mutate('ZADD', due, NOW + keep + IN_HAND, run_id) end
  return taken
end

-- how many more of a role may be at work in the whole fleet
local function room(one)
  local limit = tonumber(redis.call('HGET', queues, one.queue) or '')
  if not limit then return math.huge, false end
  return limit - redis.call('ZLEXCOUNT', queued, '[l' .. one.role, '[l' .. one.role .. '\255'), true
end

-- The next entry of a queue: of the highest priority, and of the run that comes after the one before, so that all runs get
-- their turn.
local function next_entry(prefix, cursor)
  local first = beginning_with(queued, prefix, 1)[1]
  if not first or cursor == '' then return first end
  local level = string.sub(first, 1, #prefix + RANK)
  local after = '[' .. level .. cursor .. '\255'
  return redis.call('ZRANGE', queued, after, '[' .. level .. '\255', 'BYLEX', 'LIMIT', 0, 1)[1] or first
end

-- takes from a queue until so many are taken; whether some are left that may be taken
local function take_from(kind, one, most, taken)
  local prefix = kind .. one.queue
  local free, is_limited = room(one)
  while true do
    local member = free > 0 and next_entry(prefix, one.cursor)
    if not member then return false end
    if #taken >= most then return true end
    local entry = string.sub(member, 2)
    mutate('ZREM', queued, member)
    mutate('ZADD', ready, NOW + keep, entry)
    if is_limited then mutate('ZADD', queued, 0, 'l' .. entry) end
    taken[#taken + 1] = entry
    one.cursor = string.sub(member, #prefix + RANK + 1, #prefix + RANK + RUN)
    free = free - 1
  end
end

local function take_executions()
  local taken, most, waits = {}, tonumber(max_executions), false
  local suspects = {}
  for _, one in ipairs(wanted) do take_from('s', one, math.min(most, tonumber(max_suspects)), suspects) end
  most = most - #suspects
  -- each queue gets its share before one takes what is left
  local share = math.max(1, math.floor(most / math.max(#wanted, 1)))
  for _, one in ipairs(wanted) do
    if #taken < most then take_from('w', one, math.min(most, #taken + share), taken) end
  end
  for _, one in ipairs(wanted) do waits = take_from('w', one, most, taken) or waits end
  for _, entry in ipairs(suspects) do taken[#taken + 1] = entry end
  return taken, waits
end

-- An entry that is due and was not taken is for other workers, so that only later ones are worth waiting for.
local function next_of(key)
  return redis.call('ZRANGE', key, '(' .. NOW, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2] or ''
end

let_go_of_expired()
queue_due()
local runs = take_runs(tonumber(max_runs))
local executions, waits = take_executions()
local how = {}
if #executions > 0 and redis.call('HLEN', lost) > 0 then how = redis.call('HMGET', lost, unpack(executions)) end
for i = 1, #executions do how[i] = how[i] or '' end
local all = redis.call('HLEN', queues) ~= tonumber(known_queues) and redis.call('HKEYS', queues) or {}
-- A schedule that has lost entries would let runs wait for ever. While there is work it is done first: the script has
-- written already.
if #runs + #executions == 0 and not waits then
  expect_whole('ZCARD', due)
  expect_whole('ZCARD', ready)
  expect_whole('ZCARD', queued)
end
return { NOW, next_of(due), next_of(ready), next_of(workers), runs, executions, how, waits and 1 or 0, all }
