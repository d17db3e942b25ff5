-- Count what a call of a handler has used, and give back what it has put aside. If it is lost, what it had put aside counts;
-- what it tells after that, within a time, counts in its place.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   name: of the reservation, '' if it has none; used: of each kind; estimated: '1' if it did not tell what it used;
--        unpriced: tokens without a price; currency: of its cost, '-' for none; wanted: its accounts; total: the field of
--        what its model has used in all, '' for none; more: what is added to each number there; lost: '1' if nothing will tell
--        what it has used, as far as is known; lost_total, lost_more: as total and more, of the call when it was lost
-- Reply  WON | LOST (it is settled already, or it was lost and tells nothing)
-- Leaves all its accounts with what it has used, and nothing put aside for it. In an account whose window has ended since it
--        began it counts in the one before, if that was it, else not. Calls that wait for room are woken. That a call was lost
--        is kept for ten minutes; the first call of this that comes later forgets it.

--- @include lib/arguments
--- @include lib/budgets
--- @include lib/replies

-- how long it is kept that a call was lost
local KEPT = 10 * 60 * 1000

-- adds to numbers of a record, or takes away from them, and returns the record
local function with_more(record, more, sign)
  local numbers = {}
  for word in string.gmatch(record or '', '%d+') do numbers[#numbers + 1] = tonumber(word) end
  if record and (#numbers ~= #more or string.sub(record, -1) ~= '\n') then return nil end
  for i, number in ipairs(more) do
    numbers[i] = decimal(math.max(0, math.min((numbers[i] or 0) + sign * tonumber(number), MOST_COUNTED)))
  end
  return table.concat(numbers, ' ') .. '\n'
end

--- @keys meta budgets reservations model_usage channel places*
--- @args name used* estimated unpriced currency wanted:account* total more* lost lost_total lost_more*
read_clock(meta)
local aside, at, lost_at, was_counted, record = { 0, 0, 0, 0 }, nil, nil, nil, nil
if name ~= '' then
  record = redis.call('HGET', reservations, name)
  if not record then
    expect_whole('HLEN', reservations)
    return LOST
  end
  was_counted, lost_at = string.match(record, '^([cx])(%d+) ')
  if lost_at then
    if lost == '1' and tonumber(lost_at) + KEPT < NOW then mutate('HDEL', reservations, name) end
    if estimated == '1' then return LOST end
    record = string.sub(record, #lost_at + 3)
  end
  aside = { string.match(record, '^(%d+) (%d+) (%d+) (%d+) (%d+) ') }
  if #aside ~= KINDS + 1 then damaged(reservations, 'what a call has put aside cannot be read') end
  at = tonumber(aside[KINDS + 1])
end
local accounts = accounts_at(wanted, places, budgets)
-- what is known now takes the place of what counted when it was lost
local totals = {}
local function add_total(field, numbers, sign)
  if field == '' then return end
  local record = totals[field] or redis.call('HGET', model_usage, field)
  if not record then expect_whole('HLEN', model_usage) end
  totals[field] = with_more(record, numbers, sign)
  if not totals[field] then damaged(model_usage, 'what a model has used cannot be read') end
end
if was_counted == 'c' then add_total(lost_total, lost_more, -1) end
add_total(total, more, 1)
for _, account in ipairs(accounts) do
  local window = account.window
  if not window or not at or at >= window.since then
    add(account.used, used)
    if lost_at then
      add(account.used, aside, -1)
      add(account.estimated, aside, -1)
    else
      add(account.reserved, aside, -1)
    end
    if estimated == '1' then add(account.estimated, used) end
    account.unpriced = math.min(account.unpriced + tonumber(unpriced), MOST_COUNTED)
  elseif at >= window.since - window.per then
    add(window.before, used)
    if lost_at then add(window.before, aside, -1) end
  end
  if account.currency == '-' then account.currency = currency end
end
write_accounts(accounts)
if lost == '1' and name ~= '' then
  local letter = total ~= '' and 'c' or 'x'
  mutate('HSET', reservations, name, letter .. decimal(NOW) .. ' ' .. record)
elseif name ~= '' then
  mutate('HDEL', reservations, name)
end
for field, record in pairs(totals) do mutate('HSET', model_usage, field, record) end
announce_room(channel, accounts)
return WON
