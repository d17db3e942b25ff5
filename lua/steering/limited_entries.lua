-- Read the executions of a run where some run has limits.
--
-- ARGV   gates: the field of the limits that says that there are such runs
-- Reply  fields and records of its executions, none where no run has limits
-- Leaves everything as it was.

--- @include lib/counts

--- @keys limits executions meta run
--- @args gates
if redis.call('HEXISTS', limits, gates) == 0 then
  expect_whole('HLEN', limits)
  return {}
end
return redis.call('HGETALL', executions)
