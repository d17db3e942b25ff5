-- One migrator at a time: `migration` of `meta` is the id of that which has come last, how many runs are behind it, and
-- the place behind which it goes on, with spaces between (decision 0069). An earlier one is refused in each call from then
-- on, and what it has done stays: each step is whole, and is not done twice.

local function is_migrator(meta, id)
  return string.match(redis.call('HGET', meta, 'migration') or '', '^(%S+) ') == id
end
