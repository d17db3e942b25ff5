-- Give an account of a budget other bounds.
--
-- KEYS   places: the hash and the index of its run, if it is one of a run
-- ARGV   bounds: of each kind, '-' for none; policy: what becomes of calls that are refused; currency: '-' leaves it as it
--        is; wanted: the account
-- Reply  nil (its run does not exist) | its record
-- Leaves the account with these bounds, and with what was used. Calls that wait for room are woken.

--- @include lib/arguments
--- @include lib/budgets

--- @keys meta budgets channel places*
--- @args bounds* policy currency wanted:account*
read_clock(meta)
local accounts = accounts_at(wanted, places, budgets)
local account = accounts[1]
if not account then return nil end
for kind = 1, KINDS do account.bounds[kind] = bounds[kind] ~= '-' and tonumber(bounds[kind]) or nil end
account.policy = policy
if currency ~= '-' then account.currency = currency end
write_accounts(accounts)
announce(channel, account.hash .. ' ' .. account.field)
return record_of(account)
