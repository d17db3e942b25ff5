-- Send a signal to a run: it waits among the executions of the run until a commit takes it from there (decision 0025).
--
-- KEYS   due: runs by time
-- ARGV   member: of the run in the order by time; receipt: field of the index for an idempotency key, '' without one;
--        identity: what is equal for equal signals; signal: its record; most: signals that may wait
-- Reply  {WON | EXISTS (it was sent before under this key), number of the signal} | {CONFLICT: another one was sent under
--        this key} | {LOST: the run is over} | {FULL} | {NOT_FOUND}
-- Leaves the signal behind all that were sent before, its receipt, and the run due, unless a worker has it in hand, which
--        is told by the count of reports. A run that has not begun is due when it begins.

--- @include lib/replies
--- @include lib/announce
--- @include lib/status
--- @include lib/schedule
--- @include lib/key_types

local FULL = -5

--- @keys run index executions meta due channel
--- @args member receipt identity signal most
local status = status_of(run, index)
if not status then return { NOT_FOUND } end
if receipt ~= '' then
  local stored = redis.call('HGET', index, receipt)
  if stored then
    local number, sent = string.match(stored, '^(%d+) (%x+)\n$')
    if not number then
      --- @include lib/damage
      damaged(index, 'the receipt of a signal was cut short')
    end
    if sent ~= identity then return { CONFLICT } end
    return { EXISTS, number }
  end
  expect_whole('HLEN', index)
end
if TERMINAL[status] then return { LOST } end

local function waiting()
  local found = 0
  for _, field in ipairs(redis.call('HKEYS', executions)) do
    if string.sub(field, 1, 1) == 's' then found = found + 1 end
  end
  return found
end

-- counted only where there may be too many: all executions of the run are in the same hash
if redis.call('HLEN', executions) >= tonumber(most) and waiting() >= tonumber(most) then return { FULL } end
local sent, reports = number_at(run, 'signals'), number_at(run, 'reports')
-- a number that is gone would give one again
if sent == 0 then expect_whole('HLEN', run) end
expect_hashes(index)
expect_sorted_sets(due)
read_clock(meta)

local number = decimal(sent + 1)
mutate('HSET', executions, 's' .. number, signal)
if receipt ~= '' then mutate('HSET', index, receipt, number .. ' ' .. identity .. '\n') end
mutate('HSET', run, 'signals', numeral(sent + 1), 'reports', numeral(reports + 1))
if status == 'running' and not is_in_hand(due, member) then
  mutate('ZADD', due, NOW + REPORTED, member)
  announce(channel, member .. ' due')
end
return { WON, number }
