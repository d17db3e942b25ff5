-- Accounts of budgets: fields of the index of a run, or of `budgets` (redis_mob/codec/budgets.py says what is in one). Four
-- kinds are counted: tokens, cost, calls of tools, milliseconds. All numbers are whole, and have 15 digits at most.
-- `places` names the hash of a run and its index in turn; account 0 of them is `budgets`.
-- An account that is full again each day, or each other length of time, is that of one such window of the fleet's clock:
-- what it has beside is in `window`, and the clock is read before it is looked at.

--- @include lib/announce
--- @include lib/counters
--- @include lib/damage
--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/run_head

local KINDS, MOST_COUNTED = 4, 999999999999999

-- windows are counted from the first Monday of 1970, in UTC, as redis_mob/models/budget_windows.py has it
local MONDAY = 4 * 86400000

-- how long a window is, when the present one has begun, what was used in the one before it, and in which one a call was
-- refused last
local function window_in(words)
  local window = { per = number_in(words[20]), since = number_in(words[21]), before = {}, refused = words[26] }
  for kind = 1, KINDS do window.before[kind] = number_in(words[21 + kind]) end
  local is_whole = (window.per or 0) > 0 and window.since and #window.before == KINDS
  return is_whole and (window.refused == '-' or number_in(window.refused)) and window or nil
end

-- Begins a new window where the one that the account is of is over. What calls that began before have put aside is nothing
-- to it.
local function roll(account)
  local window = account.window
  if not window then return account end
  local since = NOW - (NOW - MONDAY) % window.per
  if since <= window.since then return account end
  for kind = 1, KINDS do
    window.before[kind] = window.since == since - window.per and account.used[kind] or 0
    account.used[kind], account.reserved[kind], account.estimated[kind] = 0, 0, 0
  end
  window.since, account.unpriced = since, 0
  return account
end

-- the account that a record holds, as it is now
local function account_in(hash, field, record)
  local words = {}
  for word in string.gmatch(record, '[^ \n]+') do words[#words + 1] = word end
  local account = { hash = hash, field = field, bounds = {}, used = {}, reserved = {}, estimated = {} }
  local is_whole = (#words == 19 or #words == 26) and string.sub(record, -1) == '\n'
  for kind = 1, KINDS do
    account.bounds[kind] = words[kind] ~= '-' and number_in(words[kind] or '') or nil
    is_whole = is_whole and (account.bounds[kind] or words[kind] == '-')
    for part, name in ipairs({ 'used', 'reserved', 'estimated' }) do
      account[name][kind] = number_in(words[part * KINDS + kind] or '')
      is_whole = is_whole and account[name][kind]
    end
  end
  account.unpriced, account.policy, account.currency = number_in(words[17] or ''), words[18], words[19]
  if #words == 26 then account.window = window_in(words) end
  if not (is_whole and account.unpriced and (#words == 19 or account.window)) then
    damaged(hash, 'an account of a budget cannot be read')
  end
  return roll(account)
end

local function record_of(account)
  local words = {}
  for kind = 1, KINDS do words[kind] = account.bounds[kind] and decimal(account.bounds[kind]) or '-' end
  for _, name in ipairs({ 'used', 'reserved', 'estimated' }) do
    for kind = 1, KINDS do words[#words + 1] = decimal(account[name][kind]) end
  end
  words[17], words[18], words[19] = decimal(account.unpriced), account.policy, account.currency
  local window = account.window
  if window then
    words[20], words[21], words[26] = decimal(window.per), decimal(window.since), window.refused
    for kind = 1, KINDS do words[21 + kind] = decimal(window.before[kind]) end
  end
  return table.concat(words, ' ') .. '\n'
end

-- Adds amounts to those of an account, or takes them away.
local function add(to, amounts, sign)
  for kind = 1, KINDS do
    to[kind] = math.max(0, math.min(to[kind] + (sign or 1) * tonumber(amounts[kind]), MOST_COUNTED))
  end
end

-- Place, field and record of an account that is not stored yet.
local function take_account()
  return { place = tonumber(take()), field = take(), declared = take() }
end

-- The hash that an account stands in, nil if its run does not exist. Its count is told to lib/counts.
local function hash_of(place, places, budgets)
  if place == 0 then return budgets end
  local run, index = places[2 * place - 1], places[2 * place]
  if not run_exists(run, index) then return nil end
  owners = owners or {}
  owners[index], count_fields[index] = run, 'n:index'
  return index
end

-- The accounts as they are stored, or else as they are declared; those of runs that exist.
local function accounts_at(wanted, places, budgets)
  local found = {}
  for number, one in ipairs(wanted) do
    local hash = hash_of(one.place, places, budgets)
    if hash then
      local record = redis.call('HGET', hash, one.field)
      if not record then expect_whole('HLEN', hash) end
      local account = account_in(hash, one.field, record or one.declared)
      account.number = number
      found[#found + 1] = account
    end
  end
  return found
end

local function write_accounts(accounts)
  for _, account in ipairs(accounts) do mutate('HSET', account.hash, account.field, record_of(account)) end
end

-- Wakes the calls that wait for room in these accounts: a message is where one is stored. Without a bound none waits.
local function announce_room(channel, accounts)
  for _, account in ipairs(accounts) do
    if next(account.bounds) then announce(channel, account.hash .. ' ' .. account.field) end
  end
end
