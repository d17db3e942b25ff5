-- Set a policy.
--
-- ARGV   field: of which runs it is; policy: as JSON; if_none: 1 if one that is set stays
-- Reply  1 | 0 (there is one, and it stays)
-- Leaves the policy in the place of the one before.

--- @include lib/mutate

--- @keys meta retention
--- @args field policy if_none
if if_none == '1' and redis.call('HEXISTS', retention, field) == 1 then return 0 end
mutate('HSET', retention, field, policy)
return 1
