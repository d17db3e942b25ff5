-- Take the schedules that are due: they are hidden from other workers for a while, in which the caller deals with them.
--
-- ARGV   most: how many at most; keep: how long they are hidden (ms)
-- Reply  {now (ms), when the next one is due (ms), '' if none will be, whether more are due, names and schedules}
-- Leaves what was taken due again after that while, unless its caller says otherwise before.

--- @include lib/clock_keeping
--- @include lib/key_types

--- @keys meta schedules scheduled
--- @args most keep
keep_clock(meta)
expect_sorted_sets(scheduled)
local names, found = redis.call('ZRANGE', scheduled, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, most), {}
local stored = #names > 0 and redis.call('HMGET', schedules, unpack(names)) or {}
local all_there = true
for i = 1, #names do
  if stored[i] then
    found[#found + 1], found[#found + 2] = names[i], stored[i]
  else
    all_there = false
  end
end
if not all_there then expect_whole('HLEN', schedules) end
expect_whole('ZCARD', scheduled)

for i, name in ipairs(names) do
  if stored[i] then
    mutate('ZADD', scheduled, NOW + keep, name)
  else
    mutate('ZREM', scheduled, name)
  end
end
note_clock(meta)
local more = redis.call('ZRANGE', scheduled, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, 1)[1] and 1 or 0
local next_at = redis.call('ZRANGE', scheduled, '(' .. NOW, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2] or ''
return { NOW, next_at, more, found }
