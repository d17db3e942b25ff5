-- Remove the account of a shared budget for one key.
--
-- Reply  WON | LOST (there is none) | CONFLICT (a call has put something aside of it)
-- Leaves no such account.

--- @include lib/budgets
--- @include lib/replies

--- @keys meta budgets
--- @args field
read_clock(meta)
local record = redis.call('HGET', budgets, field)
if not record then
  expect_whole('HLEN', budgets)
  return LOST
end
local account = account_in(budgets, field, record)
for kind = 1, KINDS do
  if account.reserved[kind] > 0 then return CONFLICT end
end
mutate('HDEL', budgets, field)
return WON
