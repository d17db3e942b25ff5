-- Runs an operation once in its session: whoever sends it again, because the reply was lost, gets the first reply.
-- connection/calls/scripts.py puts every script that writes in the place of the operation.
-- Why there are receipts: decision 0015; why there are epochs: decision 0017.
--
-- KEYS   last two: meta, session
-- ARGV   last, all in one, with spaces between: slot, sequence number of the call in its slot, greatest one of the slot
--        that was answered, epoch that the client knows (- = none), milliseconds that the session lives, 1 when it is
--        time to prolong it and 0 else
-- Reply  that of the operation | {RECEIPT, the first reply as the protocol spells it} | an error, with nothing done:
--        FENCED when the call was given up, or a later one of the slot was here before; EPOCH and the epoch of the
--        namespace when it is another one, or becomes another one because a receipt is gone that was answered
-- Leaves the receipt of the last call of the slot, until the session has been idle for its time to live.

--- @include lib/mutate

local session, meta = KEYS[#KEYS], KEYS[#KEYS - 1]
local slot, sequence, answered, epoch, time_to_live, prolong =
  string.match(ARGV[#ARGV], '^(%d+) (%d+) (%d+) (%S+) (%d+) (%d)$')

-- what a reply looks like on the wire
local function spelled(reply)
  local kind = type(reply)
  if kind == 'number' then return string.format(':%.0f\r\n', reply) end
  if kind == 'string' then return '$' .. #reply .. '\r\n' .. reply .. '\r\n' end
  if kind ~= 'table' then return reply and ':1\r\n' or '$-1\r\n' end
  if reply.ok then return '+' .. reply.ok .. '\r\n' end
  local parts = {}
  for i, part in ipairs(reply) do
    parts[i] = spelled(part)
  end
  return '*' .. #parts .. '\r\n' .. table.concat(parts)
end

local function operation()
--- @operation
end

local receipt, last = redis.call('HGET', session, slot), 0
if receipt then
  local number, first = string.match(receipt, '^(%d+) (.*)$')
  last = tonumber(number)
  if number == sequence and first ~= '' then return { 'RECEIPT', first } end
  if last >= tonumber(sequence) then return redis.error_reply('FENCED the call was given up') end
end

local current = redis.call('HGET', meta, 'epoch') or '0'
if (epoch == '-' or epoch == current) and last < tonumber(answered) then
  local time = redis.call('TIME')  -- no counter: it would come to the same number again after going back further
  current = time[1] .. string.format('%06d', time[2])
  redis.call('HSET', meta, 'epoch', current)
  return redis.error_reply('EPOCH ' .. current)
end
if epoch ~= '-' and epoch ~= current then return redis.error_reply('EPOCH ' .. current) end

local reply = operation()
-- a full server refuses a receipt only after an operation that wrote nothing, and that may be looked at anew
redis.pcall('HSET', session, slot, sequence .. ' ' .. spelled(reply))
-- without a receipt the session may be new
if prolong == '1' or not receipt then redis.pcall('PEXPIRE', session, time_to_live) end
return reply
