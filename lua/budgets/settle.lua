-- Count what a call of a handler has used, and give back what it has put aside.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   name: of the reservation, '' if it has none; used: of each kind; estimated: '1' if it did not tell what it used;
--        unpriced: tokens without a price; currency: of its cost, '-' for none; wanted: its accounts
-- Reply  WON | LOST (it is settled already)
-- Leaves all its accounts with what it has used, and nothing put aside for it.

--- @include lib/arguments
--- @include lib/budgets
--- @include lib/replies

--- @keys meta budgets reservations places*
--- @args name used* estimated unpriced currency wanted:account*
local aside = { 0, 0, 0, 0 }
if name ~= '' then
  local record = redis.call('HGET', reservations, name)
  if not record then
    expect_whole('HLEN', reservations)
    return LOST
  end
  aside = { string.match(record, '^(%d+) (%d+) (%d+) (%d+) ') }
  if #aside ~= KINDS then damaged(reservations, 'what a call has put aside cannot be read') end
end
local accounts = accounts_at(wanted, places, budgets)
for _, account in ipairs(accounts) do
  add(account.used, used)
  add(account.reserved, aside, -1)
  if estimated == '1' then add(account.estimated, used) end
  account.unpriced = math.min(account.unpriced + tonumber(unpriced), MOST_COUNTED)
  if account.currency == '-' then account.currency = currency end
end
write_accounts(accounts)
if name ~= '' then mutate('HDEL', reservations, name) end
return WON
