-- Count what a call of a handler has used, and give back what it has put aside.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   name: of the reservation, '' if it has none; used: of each kind; estimated: '1' if it did not tell what it used;
--        unpriced: tokens without a price; currency: of its cost, '-' for none; wanted: its accounts; total: the field of
--        what its model has used in all, '' for none; more: what is added to each number there
-- Reply  WON | LOST (it is settled already)
-- Leaves all its accounts with what it has used, and nothing put aside for it. In an account whose window has ended since it
--        began it counts in the one before, if that was it, else not. Calls that wait for room are woken.

--- @include lib/arguments
--- @include lib/budgets
--- @include lib/replies

--- @keys meta budgets reservations model_usage channel places*
--- @args name used* estimated unpriced currency wanted:account* total more*
read_clock(meta)
local aside, at = { 0, 0, 0, 0 }, nil
if name ~= '' then
  local record = redis.call('HGET', reservations, name)
  if not record then
    expect_whole('HLEN', reservations)
    return LOST
  end
  aside = { string.match(record, '^(%d+) (%d+) (%d+) (%d+) (%d+) ') }
  if #aside ~= KINDS + 1 then damaged(reservations, 'what a call has put aside cannot be read') end
  at = tonumber(aside[KINDS + 1])
end
local accounts = accounts_at(wanted, places, budgets)
local numbers
if total ~= '' then
  local record = redis.call('HGET', model_usage, total)
  if not record then expect_whole('HLEN', model_usage) end
  numbers = {}
  for word in string.gmatch(record or '', '%d+') do numbers[#numbers + 1] = tonumber(word) end
  if record and (#numbers ~= #more or string.sub(record, -1) ~= '\n') then
    damaged(model_usage, 'what a model has used cannot be read')
  end
  for i, number in ipairs(more) do
    numbers[i] = decimal(math.min((numbers[i] or 0) + tonumber(number), MOST_COUNTED))
  end
end
for _, account in ipairs(accounts) do
  local window = account.window
  if not window or not at or at >= window.since then
    add(account.used, used)
    add(account.reserved, aside, -1)
    if estimated == '1' then add(account.estimated, used) end
    account.unpriced = math.min(account.unpriced + tonumber(unpriced), MOST_COUNTED)
  elseif at >= window.since - window.per then
    add(window.before, used)
  end
  if account.currency == '-' then account.currency = currency end
end
write_accounts(accounts)
if name ~= '' then mutate('HDEL', reservations, name) end
if numbers then mutate('HSET', model_usage, total, table.concat(numbers, ' ') .. '\n') end
announce_room(channel, accounts)
return WON
