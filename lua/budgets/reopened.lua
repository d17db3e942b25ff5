-- Forget that the account of a shared budget has refused calls, once the window in which it did is over.
--
-- Reply  WON | LOST (there is no such account, it has refused none, or its window is not over)
-- Leaves the account without that.

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
local window = account.window
if not window or window.refused == '-' or tonumber(window.refused) >= window.since then return LOST end
window.refused = '-'
write_accounts({ account })
return WON
