-- Take what is due: the caller looks after it, and everybody else sees it again only after a while.
--
-- KEYS   1 runs by time   2 executions by time
-- ARGV   greatest number of runs, of executions, how long they are kept from others (ms)
-- Reply  {now (ms), when the next run and the next execution is due (ms, or '' if none is), runs, executions}
-- Leaves what was taken due again after that while, unless its transition says otherwise before.

--- @include lib/clock

local NOW = math.floor(now() / 1000)

local function take_from(key, limit)
  local members = redis.call('ZRANGE', key, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(members) do
    redis.call('ZADD', key, NOW + ARGV[3], member)
  end
  return members
end

local function next_of(key)
  return redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
end

local runs, executions = take_from(KEYS[1], ARGV[1]), take_from(KEYS[2], ARGV[2])
return { NOW, next_of(KEYS[1]) or '', next_of(KEYS[2]) or '', runs, executions }
