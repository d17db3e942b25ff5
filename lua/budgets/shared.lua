-- Read a part of the accounts of shared budgets.
--
-- ARGV   cursor: '0' for the first part; about: how many one part looks at
-- Reply  {cursor of the next part, '0' at the end; fields and records}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta budgets
--- @args cursor about
if cursor == '0' then expect_whole('HLEN', budgets) end
return redis.call('HSCAN', budgets, cursor, 'COUNT', about)
