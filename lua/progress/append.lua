-- Append what handlers have told to the progress of a run.
--
-- KEYS   progress: its stream, whose ids are 0-<offset>
-- ARGV   run_id: what the channel is told; most: how many entries are kept at least; most_bytes: how many bytes of entries
--        are kept at least; keep: for how long after the newest one (ms); entries: as codec/progress writes them
-- Reply  offset of the last one | LOST (the run is over) | NOT_FOUND
-- Leaves the entries at its end, and the oldest ones gone where there are too many, or too many bytes.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/clock
--- @include lib/counters
--- @include lib/mutate
--- @include lib/replies
--- @include lib/run_head

-- Each entry says how many bytes there were of all entries up to it. One of an older release says nothing.
local function sum_in(entry)
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'sum' then return tonumber(entry[2][i + 1]) or 0 end
  end
  return 0
end

-- how many entries are looked at to find those that go; one will do mostly
local AT_ONCE = 20

--- @keys run index progress channel
--- @args run_id most most_bytes keep entries*
local status = status_of(run, index)
if not status then return NOT_FOUND end
if TERMINAL[status] then return LOST end

local sum = sum_in(redis.call('XREVRANGE', progress, '+', '-', 'COUNT', 1)[1])
local id
for _, entry in ipairs(entries) do
  sum = sum + #entry
  id = mutate('XADD', progress, 'MAXLEN', '~', most, '0-*', 'at', now(), 'entry', entry, 'sum', decimal(sum))
end
-- the newest entry always stays
local looked_at = 1
repeat
  local gone = {}
  for _, entry in ipairs(redis.call('XRANGE', progress, '-', '+', 'COUNT', looked_at)) do
    if sum - sum_in(entry) < tonumber(most_bytes) then break end
    gone[#gone + 1] = entry[1]
  end
  if #gone > 0 then mutate('XDEL', progress, unpack(gone)) end
  local goes_on = #gone == looked_at
  looked_at = AT_ONCE
until not goes_on
mutate('PEXPIRE', progress, keep)
announce(channel, run_id)
return id
