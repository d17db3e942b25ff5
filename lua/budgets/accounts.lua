-- Read accounts of budgets.
--
-- KEYS   places: the hash and the index of each run that has accounts
-- ARGV   numbers, fields: for each account the place of its run, 0 for one of a shared budget, and its field
-- Reply  for each its record as it is now, nil if it is not stored
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/budgets

--- @keys meta budgets places*
--- @args numbers* fields*
read_clock(meta)
local records = {}
for i, number in ipairs(numbers) do
  local hash = hash_of(tonumber(number), places, budgets)
  local record = hash and redis.call('HGET', hash, fields[i]) or false
  if hash and not record then expect_whole('HLEN', hash) end
  records[i] = record and record_of(account_in(hash, fields[i], record))
end
return records
