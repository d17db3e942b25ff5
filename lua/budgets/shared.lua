-- Read a part of the accounts of shared budgets.
--
-- ARGV   cursor: '0' for the first part; about: how many one part looks at
-- Reply  {cursor of the next part, '0' at the end; fields, and records as they are now}
-- Leaves everything as it was.

--- @include lib/budgets

--- @keys meta budgets
--- @args cursor about
if cursor == '0' then expect_whole('HLEN', budgets) end
read_clock(meta)
local part = redis.call('HSCAN', budgets, cursor, 'COUNT', about)
local found = part[2]
for i = 1, #found, 2 do found[i + 1] = record_of(account_in(budgets, found[i], found[i + 1])) end
return part
