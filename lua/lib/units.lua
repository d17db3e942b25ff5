-- Gates that count units, such as tokens, and not executions: 'i' those that go in, 'o' those that come out, 'u' both
-- (decision 0044). What an entry may use is reserved when it is taken. What it has used is settled when its attempt is over,
-- and counts for the time of the rate from then on: so a unit counts from before it was used until that time after it.
--
-- `gated` has the account of each such gate: behind 'n' and the gate what is reserved, and for each part of what is settled,
-- in the order of time, a space, when it counts no longer (ms), a colon, and how much it is.

--- @include lib/counters
--- @include lib/fleet_clock
--- @include lib/lexical_order
--- @include lib/mutate

local function account_of(gated, gate)
  local behind = 19  -- the letter, and the gate
  local member = beginning_with(gated, 'n' .. gate.id, 1)[1]
  local account = { member = member, reserved = 0, settled = 0, parts = {} }
  if not member then return account end
  account.reserved = tonumber(string.match(member, '^%d+', behind) or 0)
  for at, units in string.gmatch(string.sub(member, behind), ' (%d+):(%d+)') do
    at, units = tonumber(at), tonumber(units)
    -- what a clock that was set back has left behind all time does not count
    if at > NOW and at <= NOW + 2 * gate.per + 1 then
      account.parts[#account.parts + 1] = { at = at, units = units }
      account.settled = account.settled + units
    end
  end
  return account
end

-- Add `reserved` units to those that are reserved, below 0 to take some back, and count `used` from now on. What counts no longer is forgotten: returns when
-- there will be more to forget, nil if nothing is left. What is used within a hundredth of the time of a rate is one part,
-- which is forgotten when the last of it may be.
local function change_account(gated, gate, reserved, used)
  local account = account_of(gated, gate)
  local parts, last = account.parts, account.parts[#account.parts]
  account.reserved = math.max(account.reserved + reserved, 0)
  if used > 0 then
    local width = math.max(math.floor(gate.per / 100), 1)
    local at = (math.floor(NOW / width) + 1) * width + gate.per
    if last and last.at >= at then
      last.units = last.units + used
    else
      last = { at = at, units = used }
      parts[#parts + 1] = last
    end
  end
  local texts = { 'n' .. gate.id .. decimal(account.reserved) }
  for i, part in ipairs(parts) do texts[i + 1] = ' ' .. decimal(part.at) .. ':' .. decimal(part.units) end
  local is_empty = account.reserved == 0 and #parts == 0
  local member = not is_empty and table.concat(texts)
  if member ~= (account.member or false) then
    if member then mutate('ZADD', gated, 0, member) end
    if account.member then mutate('ZREM', gated, account.member) end
  end
  if is_empty then return nil end
  return account.reserved > 0 and NOW + gate.per or last.at
end

-- Whether `units` have no room, and when they will, as far as that is known without an attempt that ends.
local function lacks_units(gated, gate, units)
  local account = account_of(gated, gate)
  local too_many = account.reserved + account.settled + units - gate.limit
  if too_many <= 0 then return false end
  for _, part in ipairs(account.parts) do
    too_many = too_many - part.units
    if too_many <= 0 then return true, part.at end
  end
  return true
end
