-- Runs an operation once in its session: when it is sent again, because the reply was lost, it answers the first reply.
-- connection/calls/scripts.py puts every script that writes in the place of the operation.
-- Numbers and receipts: decision 0015. Epochs: decision 0017. Ends that are no reply: decision 0018.
--
-- KEYS   last two: meta, session
-- ARGV   last five: slot, sequence number of the call in its slot, the number of the last call that was answered and
--        recorded there (or, of a call in another slot, that slot, a colon and its number; 0:0 = none was), epoch that the
--        client knows (- = none), milliseconds that the session is to live from now on ('' = it is not to be prolonged)
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

-- while a backup is made, each call of the server goes through lib/change_tracking
local redis = redis

--- @include lib/mutate

local session, meta = KEYS[#KEYS], KEYS[#KEYS - 1]
local slot, sequence, answered, epoch, time_to_live = unpack(ARGV, #ARGV - 4)

local function operation()
--- @operation
end

-- The receipt comes before everything else: a call that has happened is answered with its first reply, in any state of
-- the server, and also if the namespace has another epoch since. Nearly always it is that of the last call that was
-- answered, with a reply, and the epoch is the one that the client knows: then there is nothing to find out.
local receipt = redis.pcall('HGET', session, slot)
if type(receipt) ~= 'string' or string.match(receipt, '^(%d+) %D') ~= answered
  or redis.call('HGET', meta, 'epoch') ~= epoch then
  --- @include lib/session_check
end

-- The right to leave a receipt comes before the operation too: an effect without one would happen again when the call
-- is sent again. It is asked for in each call, since it may be taken away at any time. Doubles of a server may not know
-- the question.
local may, prolongs = redis.acl_check_cmd, time_to_live ~= ''
if may and not (may('HSET', session, slot, '') and (not prolongs or may('PEXPIRE', session, time_to_live))) then
  return redis.error_reply('NOPERM the user may not run HSET and PEXPIRE, which the session of a call needs')
end

local done, reply = pcall(operation)
local words
if not done then
  local changes = gathered or {}
  gathered = nil
  for key, change in pairs(changes) do
    if change ~= 0 then pcall(count, key, change) end
  end
  words = type(reply) == 'table' and reply.err or tostring(reply)
  reply = redis.error_reply((mutations == 0 and 'REFUSED ' or
    'PARTIAL ' .. mutations .. ' ' .. (attempted and attempted .. ' ' .. attempted_on or '- -') .. ' ') .. words)
end

-- Every end leaves a receipt, also that of an operation which failed: an original that comes late would do it after
-- all. After a first write the server refuses none, so that one without a receipt has written nothing.
local spelt = ':1\r\n'  -- mostly
if reply ~= 1 then
  --- @include lib/spelling
  spelt = spelled(reply)
end
local left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelt)
if type(left) == 'table' and left.err then
  --- @include lib/when_full
  write_even_when_full(session)
  left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelt)
end
if type(left) == 'table' and left.err then
  local code = string.match(left.err, '%u+')
  -- read-only: another server is the primary, so that what this one has read may be old
  if code == 'READONLY' then return redis.error_reply(left.err) end
  if done then return { 'UNRECORDED', spelt } end
  return mutations > 0 and reply or redis.error_reply(words)
end
if prolongs then redis.pcall('PEXPIRE', session, time_to_live) end
return reply
