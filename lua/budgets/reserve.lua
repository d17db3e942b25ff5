-- Let a call of a handler begin, if all accounts of budgets that it draws on allow it.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   name, scopes: of the reservation, whose accounts it draws on, packed; spent, estimate: of each kind, what counts at
--        once, and what is put aside; unpriced: '1' if what it costs is not known; currency: of its cost, '-' for none;
--        wanted: its accounts
-- Reply  {WON} | {EXCEEDED, UNPRICED or OTHER_CURRENCY, number of the account, its record}, of the first that refuses it | WAIT
--        likewise, of the first account that lets it wait
-- Leaves what the call spends counted and what it may use put aside, in all accounts, with the time. If it may not begin
--        nothing, but that an account which is full again later, and pauses runs, has refused it.

--- @include lib/arguments
--- @include lib/budgets
--- @include lib/replies

local WAIT, EXCEEDED, UNPRICED, OTHER_CURRENCY = 2, 3, 4, 5
local COST, TIME, PAUSES = 2, 4, 'p'

-- whether an account lets the call begin, as redis_mob/models/budget.py judges it
local function judged(account, spent, estimate, is_unpriced, currency)
  if is_unpriced and account.bounds[COST] then return UNPRICED end
  if currency ~= '-' and account.currency ~= '-' and account.currency ~= currency then return OTHER_CURRENCY end
  local waits = false
  for kind = 1, KINDS do
    local most, used, aside = account.bounds[kind], account.used[kind], account.reserved[kind]
    local wanted = tonumber(spent[kind]) + tonumber(estimate[kind])
    if most and (wanted > 0 or kind == TIME) then
      if used >= most then return EXCEEDED end
      waits = waits or (aside > 0 and used + aside + wanted > most)
    end
  end
  return waits and WAIT or WON
end

-- notes that an account has refused a call in its window: when that is over its runs go on
local function note_refusal(account)
  local window = account.window
  local since = window and decimal(window.since)
  if not window or account.policy ~= PAUSES or window.refused == since then return end
  window.refused = since
  write_accounts({ account })
end

--- @keys meta budgets reservations places*
--- @args name scopes spent* estimate* unpriced currency wanted:account*
if redis.call('HEXISTS', reservations, name) == 1 then return { WON } end
expect_whole('HLEN', reservations)
read_clock(meta)
local accounts = accounts_at(wanted, places, budgets)
local waits
for _, account in ipairs(accounts) do
  local verdict = judged(account, spent, estimate, unpriced == '1', currency)
  if verdict == WAIT then
    waits = waits or account
  elseif verdict ~= WON then
    if verdict == EXCEEDED then note_refusal(account) end
    return { verdict, account.number, record_of(account) }
  end
end
if waits then return { WAIT, waits.number, record_of(waits) } end

local is_aside, at = false, NOW
for kind = 1, KINDS do is_aside = is_aside or tonumber(estimate[kind]) > 0 end
for _, account in ipairs(accounts) do
  -- a clock that was set back leaves accounts in windows that have not begun by it
  if account.window then at = math.max(at, account.window.since) end
  add(account.used, spent)
  add(account.reserved, estimate)
  if account.currency == '-' then account.currency = currency end
end
write_accounts(accounts)
if is_aside then
  local aside = {}
  for kind = 1, KINDS do aside[kind] = decimal(tonumber(estimate[kind])) end
  mutate('HSET', reservations, name, table.concat(aside, ' ') .. ' ' .. decimal(at) .. ' ' .. scopes)
end
return { WON }
