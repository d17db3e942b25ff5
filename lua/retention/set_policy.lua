-- Set a policy.
--
-- ARGV   field: of which mobs it is; policy: as JSON
-- Reply  nil
-- Leaves the policy in the place of the one before.

--- @include lib/mutate

--- @keys meta retention
--- @args field policy
mutate('HSET', retention, field, policy)
