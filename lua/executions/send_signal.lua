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
--- @include lib/signals

local FULL = -5

--- @keys run index executions meta due channel
--- @args member receipt identity signal most
local status = status_of(run, index)
if not status then return { NOT_FOUND } end
if receipt ~= '' then
  local number, sent = sent_before(index, receipt)
  if number then
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
local sent, reports = counts_of_signals(run, index, due)
read_clock(meta)

local keys = { run = run, index = index, executions = executions, due = due, channel = channel }
return { WON, put_signal(keys, member, status, receipt, identity, signal, sent, reports) }
