-- Signals to a run: each waits among its executions, under its number, until a commit takes it from there (decision 0025).
-- A receipt in the index says under which number what was sent, for one that comes again.

--- @include lib/counters
--- @include lib/counts
--- @include lib/key_types
--- @include lib/schedule

-- the number and the identity of what was sent before; nothing without a receipt
local function sent_before(index, receipt)
  local stored = redis.call('HGET', index, receipt)
  if not stored then return nil end
  local number, identity = string.match(stored, '^(%d+) (%x+)\n$')
  if not number then
    --- @include lib/damage
    damaged(index, 'the receipt of a signal was cut short')
  end
  return number, identity
end

-- all checks that come before `put_signal`: how many signals there were, and how many reports
local function counts_of_signals(run, index, due)
  local sent, reports = number_at(run, 'signals'), number_at(run, 'reports')
  -- a number that is gone would give one again
  if sent == 0 then expect_whole('HLEN', run) end
  expect_hashes(index)
  expect_sorted_sets(due)
  return sent, reports
end

-- puts a signal behind all others, and makes the run due unless a worker has it in hand, which is told by the count of
-- reports; returns its number
local function put_signal(keys, member, status, receipt, identity, signal, sent, reports)
  local number = decimal(sent + 1)
  mutate('HSET', keys.executions, 's' .. number, signal)
  if receipt ~= '' then mutate('HSET', keys.index, receipt, number .. ' ' .. identity .. '\n') end
  mutate('HSET', keys.run, 'signals', numeral(sent + 1), 'reports', numeral(reports + 1))
  if status == 'running' and not is_in_hand(keys.due, member) then
    mutate('ZADD', keys.due, NOW + REPORTED, member)
    announce(keys.channel, member .. ' due')
  end
  return number
end
