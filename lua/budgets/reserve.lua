-- Let a call of a handler begin, if all accounts of budgets that it draws on allow it.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   name, record: of the reservation; spent, estimate: of each kind, what counts at once, and what is put aside;
--        unpriced: '1' if what it costs is not known; currency: of its cost, '-' for none; wanted: its accounts
-- Reply  {WON} | {EXCEEDED, UNPRICED or OTHER_CURRENCY, number of the account, its record}, of the first that refuses it | WAIT
--        likewise, of the first account that lets it wait
-- Leaves what the call spends counted and what it may use put aside, in all accounts; nothing if it may not begin.

--- @include lib/arguments
--- @include lib/budgets
--- @include lib/replies

local WAIT, EXCEEDED, UNPRICED, OTHER_CURRENCY = 2, 3, 4, 5
local COST, TIME = 2, 4

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

--- @keys meta budgets reservations places*
--- @args name record spent* estimate* unpriced currency wanted:account*
if redis.call('HEXISTS', reservations, name) == 1 then return { WON } end
expect_whole('HLEN', reservations)
local accounts = accounts_at(wanted, places, budgets)
local waits
for _, account in ipairs(accounts) do
  local verdict = judged(account, spent, estimate, unpriced == '1', currency)
  if verdict == WAIT then
    waits = waits or account
  elseif verdict ~= WON then
    return { verdict, account.number, record_of(account) }
  end
end
if waits then return { WAIT, waits.number, record_of(waits) } end

local is_aside = false
for kind = 1, KINDS do is_aside = is_aside or tonumber(estimate[kind]) > 0 end
for _, account in ipairs(accounts) do
  add(account.used, spent)
  add(account.reserved, estimate)
  if account.currency == '-' then account.currency = currency end
end
write_accounts(accounts)
if is_aside then mutate('HSET', reservations, name, record) end
return { WON }
