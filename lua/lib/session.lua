-- Runs an operation once in its session: when it is sent again, because the reply was lost, it answers the first reply.
-- connection/calls/scripts.py puts every script that writes in the place of the operation.
-- Numbers and receipts: decision 0015. Epochs: decision 0017. Ends that are no reply: decision 0018.
--
-- KEYS   last two: meta, session
-- ARGV   last, all in one, with spaces between: slot, sequence number of the call in its slot, a slot and the number of a
--        call in it that was answered and recorded (0 = none was), epoch that the client knows (- = none), milliseconds
--        that the session lives, 1 when it is time to prolong it and 0 else
-- Reply  that of the operation | {RECEIPT, the first reply as the protocol spells it} | {UNRECORDED, the reply}: it
--        wrote nothing, and the server refused the receipt | an error:
--        PARTIAL, number of writes, command and key of the next one (- - = none), what failed: it ended half-way
--        REFUSED, what failed: the operation did nothing, and never will under this number
--        FENCED: nothing was done; the call was given up, or a later one of the slot was here before
--        EPOCH, epoch of the namespace: nothing was done; the client knows another epoch, or the namespace gets a new
--        one because a receipt is gone that was answered
--        UNREADABLE, what is wrong: nothing was done by this attempt; the session is no hash, or holds a receipt that was
--        cut short, so that it cannot be known what earlier attempts did
--        any other: nothing was done by this attempt, and nothing is known of earlier ones
-- Leaves the receipt of the last call of the slot, until the session has been idle for its time to live.

--- @include lib/mutate
--- @include lib/receipts
--- @include lib/when_full

local session, meta = KEYS[#KEYS], KEYS[#KEYS - 1]
local slot, sequence, witness, answered, epoch, time_to_live, prolong =
  string.match(ARGV[#ARGV], '^(%d+) (%d+) (%d+) (%d+) (%S+) (%d+) (%d)$')

-- what a reply looks like on the wire
local function spelled(reply)
  local kind = type(reply)
  if kind == 'number' then return string.format(':%.0f\r\n', reply) end
  if kind == 'string' then return '$' .. #reply .. '\r\n' .. reply .. '\r\n' end
  if kind ~= 'table' then return reply and ':1\r\n' or '$-1\r\n' end
  if reply.err then return '-' .. string.gsub(reply.err, '[\r\n]', ' ') .. '\r\n' end
  if reply.ok then return '+' .. reply.ok .. '\r\n' end
  local parts = {}
  for i, part in ipairs(reply) do
    parts[i] = spelled(part)
  end
  return '*' .. #parts .. '\r\n' .. table.concat(parts)
end

local function is_cut_short(receipt) return receipt and not read_receipt(receipt) end
local function unreadable(what) return redis.error_reply('UNREADABLE ' .. what) end

-- the greatest number of a call that was executed in the slot of a receipt, as far as the server knows
local function last_call(receipt)
  if not receipt then return 0 end
  local number, first = read_receipt(receipt)
  return tonumber(is_fence(first) and first or number)
end

local function operation()
--- @operation
end

-- The receipt comes before everything else: a call that has happened is answered with its first reply, in any state of
-- the server, and also if the namespace has another epoch since.
local receipt = redis.pcall('HGET', session, slot)
if type(receipt) == 'table' then  -- an error
  return string.find(receipt.err, '^WRONGTYPE ') and unreadable('it is no hash') or receipt
end
if is_cut_short(receipt) then return unreadable('a receipt is cut short') end
if receipt then
  local number, first = read_receipt(receipt)
  if number == sequence and not is_fence(first) then
    if string.sub(first, 1, 1) == '-' then
      if string.sub(first, -2) ~= '\r\n' then return unreadable('a receipt is cut short') end
      return redis.error_reply(string.sub(first, 2, -3))
    end
    return { 'RECEIPT', first }
  end
  -- the slot has gone on, or `resolve` has said that this call never happens: an original that comes late must not
  if tonumber(number) >= tonumber(sequence) then return redis.error_reply('FENCED the call was given up') end
end

-- The epoch comes before the operation: a client that has missed a loss must not write from what it has read before.
-- An epoch that was damaged is another one than all clients know: each is told.
local current = string.match(redis.call('HGET', meta, 'epoch') or '', '^%d+$') or '0'
local known = epoch == '-' or epoch == current
local seen = receipt
if witness ~= slot then seen = redis.call('HGET', session, witness) end
if is_cut_short(seen) then return unreadable('a receipt is cut short') end
if not known or last_call(seen) < tonumber(answered) then
  -- A replica that lags behind misses receipts and epochs too. Only a server that takes writes may tell of a loss: this
  -- one raises the server's refusal, also where it is full and would go on.
  redis.call('HDEL', session, '')
  if known then
    local time = redis.call('TIME')  -- no counter: it would come to the same number again after going back further
    current = time[1] .. string.format('%06d', time[2])
    redis.call('HSET', meta, 'epoch', current)
  end
  return redis.error_reply('EPOCH ' .. current)
end

-- The right to leave a receipt comes before the operation too: an effect without one would happen again when the call
-- is sent again. Doubles of a server may not know the question.
local may = redis.acl_check_cmd
local new = prolong == '1' or not receipt  -- without a receipt the session may be new
if may and not (may('HSET', session, slot, '') and (not new or may('PEXPIRE', session, time_to_live))) then
  return redis.error_reply('NOPERM the user may not run HSET and PEXPIRE, which the session of a call needs')
end

local done, reply = pcall(operation)
local words
if not done then
  words = type(reply) == 'table' and reply.err or tostring(reply)
  reply = redis.error_reply((mutations == 0 and 'REFUSED ' or
    'PARTIAL ' .. mutations .. ' ' .. (attempted and attempted .. ' ' .. attempted_on or '- -') .. ' ') .. words)
end

-- Every end leaves a receipt, also that of an operation which failed: an original that comes late would do it after
-- all. After a first write the server refuses none, so that one without a receipt has written nothing.
local left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelled(reply))
if type(left) == 'table' and left.err then
  write_even_when_full(session)
  left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelled(reply))
end
if type(left) == 'table' and left.err then
  local code = string.match(left.err, '%u+')
  -- read-only: another server is the primary, so that what this one has read may be old
  if code == 'READONLY' then return redis.error_reply(left.err) end
  if done then return { 'UNRECORDED', spelled(reply) } end
  return mutations > 0 and reply or redis.error_reply(words)
end
if new then redis.pcall('PEXPIRE', session, time_to_live) end
return reply
