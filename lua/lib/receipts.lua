-- A receipt is the number of a call in its slot, and its first reply as the protocol spells it. A fence has in the place of
-- the reply the number of the last call before it: `resolve` leaves it so that the call never happens (decision 0015).

-- number and reply; nil if it was cut short, which tells nothing: not even its number, which may be that of a later call
local function read_receipt(receipt)
  return string.match(receipt, '^(%d+) (.+)$')
end

local function is_fence(first)
  return string.find(first, '^%d+$') ~= nil
end
