-- Accounts of budgets: fields of the index of a run, or of `budgets` (redis_mob/codec/budgets.py says what is in one). Four
-- kinds are counted: tokens, cost, calls of tools, milliseconds. All numbers are whole, and have 15 digits at most.
-- `places` names the hash of a run and its index in turn; account 0 of them is `budgets`.

--- @include lib/counters
--- @include lib/damage
--- @include lib/mutate
--- @include lib/run_head

local KINDS, MOST_COUNTED = 4, 999999999999999

-- the account that a record holds
local function account_in(hash, field, record)
  local words = {}
  for word in string.gmatch(record, '[^ \n]+') do words[#words + 1] = word end
  local account = { hash = hash, field = field, bounds = {}, used = {}, reserved = {}, estimated = {} }
  local is_whole = #words == 19 and string.sub(record, -1) == '\n'
  for kind = 1, KINDS do
    account.bounds[kind] = words[kind] ~= '-' and number_in(words[kind] or '') or nil
    is_whole = is_whole and (account.bounds[kind] or words[kind] == '-')
    for part, name in ipairs({ 'used', 'reserved', 'estimated' }) do
      account[name][kind] = number_in(words[part * KINDS + kind] or '')
      is_whole = is_whole and account[name][kind]
    end
  end
  account.unpriced, account.policy, account.currency = number_in(words[17] or ''), words[18], words[19]
  if not (is_whole and account.unpriced) then damaged(hash, 'an account of a budget cannot be read') end
  return account
end

local function record_of(account)
  local words = {}
  for kind = 1, KINDS do words[kind] = account.bounds[kind] and decimal(account.bounds[kind]) or '-' end
  for _, name in ipairs({ 'used', 'reserved', 'estimated' }) do
    for kind = 1, KINDS do words[#words + 1] = decimal(account[name][kind]) end
  end
  words[17], words[18], words[19] = decimal(account.unpriced), account.policy, account.currency
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
