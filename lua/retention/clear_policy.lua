-- Delete a policy.
--
-- ARGV   field: of which mobs it is
-- Reply  1 | 0 (there was none)
-- Leaves no policy for these mobs.

--- @include lib/mutate

--- @keys meta retention
--- @args field
if redis.call('HEXISTS', retention, field) == 0 then
  expect_whole('HLEN', retention)
  return 0
end
return mutate('HDEL', retention, field)
