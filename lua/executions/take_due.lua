-- Take what is due: it is hidden from other workers for a while, in which the caller works on it.
--
-- KEYS   due: runs by time, ready: executions by time
-- ARGV   max_runs, max_executions: greatest number of each; keep: how long they are kept from others (ms); prefixes: what
--        the executions of each role that the caller serves begin with, none for all roles
-- Reply  {now (ms), when the next run and the next execution is due (ms, or '' if none is), runs, executions}
-- Leaves what was taken due again after that while, unless its transition says otherwise before.

--- @include lib/clock
--- @include lib/arguments
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/schedule

local LOOKED_AT = 1000

local function is_served(member, prefixes)
  for _, prefix in ipairs(prefixes) do
    if string.sub(member, 1, #prefix) == prefix then return true end
  end
  return #prefixes == 0
end

local function take_from(key, limit, keep, prefixes)
  local taken = {}
  for _, member in ipairs(redis.call('ZRANGE', key, '-inf', NOW, 'BYSCORE', 'LIMIT', 0, LOOKED_AT)) do
    if #taken == limit then break end
    if is_served(member, prefixes) then
      mutate('ZADD', key, NOW + keep, member)
      taken[#taken + 1] = member
    end
  end
  return taken
end

-- An entry that is due and was not taken is for other workers, so that only later ones are worth waiting for.
local function next_of(key)
  return redis.call('ZRANGE', key, '(' .. NOW, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2] or ''
end

--- @keys meta due ready
--- @args max_runs max_executions keep prefixes*
expect_sorted_sets(ready)
local runs = take_from(due, tonumber(max_runs), keep + IN_HAND, {})
local executions = take_from(ready, tonumber(max_executions), keep, prefixes)
-- A schedule that has lost entries would let runs wait for ever. While there is work it is done first: the script has
-- written already.
if #runs + #executions == 0 then
  expect_whole('ZCARD', due)
  expect_whole('ZCARD', ready)
end
return { NOW, next_of(due), next_of(ready), runs, executions }
