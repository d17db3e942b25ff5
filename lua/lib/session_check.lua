-- What lib/session does where the receipt of a slot is not that of the last call which was answered, or the epoch is
-- another one, or has the state of the namespace behind it: it answers a call that was here before, refuses one that must
-- not happen, and tells of a loss. Then it goes on: the call is new. All of it stands in that branch, since functions are made anew in each call that comes to them.

--- @include lib/namespace_state
--- @include lib/receipts

local function is_cut_short(one) return one and not read_receipt(one) end
local function unreadable(what) return redis.error_reply('UNREADABLE ' .. what) end

-- the greatest number of a call that was executed in the slot of a receipt, as far as the server knows
local function last_call(one)
  if not one then return 0 end
  local number, first = read_receipt(one)
  return tonumber(is_fence(first) and first or number)
end

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

local current, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
current = current or '0'
local stands, of, more = string.match(state or '', '^(%l+) (%S+) ?(.*)$')
if stands == 'restoring' then
  local what = 'being restored: try again when `redis-mob restore` has ended; if that was killed, restore again'
  if of == '-' then
    what = 'not whole, since a move to it was undone: restore or copy into it, or name another one'
  elseif string.sub(of, 1, 5) == 'move:' then
    what = 'being moved here: try again when `redis-mob copy` has ended; if that was killed, undo it with '
      .. '`redis-mob copy FROM TO --abort`'
  end
  return redis.error_reply('RESTORING the namespace is ' .. what)
elseif stands == 'moved' then
  return redis.error_reply('MOVEDAWAY the namespace was moved: use ' .. more)
end

-- The epoch comes before the operation: a client that has missed a loss must not write from what it has read before.
-- An epoch that was damaged is another one than all clients know: each is told.
local known = epoch == '-' or epoch == current
local witness, number = string.match(answered, '^(%d+):(%d+)$')
local seen = receipt
if witness then seen = redis.call('HGET', session, witness) end
if is_cut_short(seen) then return unreadable('a receipt is cut short') end
if not known or last_call(seen) < tonumber(number or answered) then
  -- A replica that lags behind misses receipts and epochs too. Only a server that takes writes may tell of a loss: this
  -- one raises the server's refusal, also where it is full and would go on.
  redis.call('HDEL', session, '')
  if known then
    local time = redis.call('TIME')  -- no counter: it would come to the same number again after going back further
    current = time[1] .. string.format('%06d', time[2])
    redis.call('HSET', meta, 'epoch', epoch_text(current, state))
  end
  return redis.error_reply('EPOCH ' .. current)
end
if stands == 'backup' or stands == 'changes' then
  --- @include lib/change_tracking
end
