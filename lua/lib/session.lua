-- Runs an operation once in its session: whoever sends it again, because the reply was lost, gets the first reply.
-- connection/scripts.py puts every script that writes in the place of the operation.
--
-- KEYS   last: session
-- ARGV   last three: slot, sequence number of the call in its slot, '1' when it is time to prolong the session
-- Reply  that of the operation | {RECEIPT, the first reply as the protocol spells it} | an error FENCED, with nothing
--        done, when a later call of the slot was here before
-- Leaves the receipt of the last call of the slot, until the session has been idle for its time to live.

local TIME_TO_LIVE = 600000

local session = table.remove(KEYS)
local prolong, sequence, slot = table.remove(ARGV), table.remove(ARGV), table.remove(ARGV)

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

local receipt = redis.call('HGET', session, slot)
if receipt then
  local space = string.find(receipt, ' ', 1, true)
  local last = string.sub(receipt, 1, space - 1)
  if last == sequence then return { 'RECEIPT', string.sub(receipt, space + 1) } end
  if tonumber(last) > tonumber(sequence) then return redis.error_reply('FENCED a later call was here before') end
end

local reply = operation()
-- a full server refuses a receipt only after an operation that wrote nothing, and that may be looked at anew
redis.pcall('HSET', session, slot, sequence .. ' ' .. spelled(reply))
-- without a receipt the session may be new, or have lost its end in a failover
if prolong == '1' or not receipt then redis.pcall('PEXPIRE', session, TIME_TO_LIVE) end
return reply
