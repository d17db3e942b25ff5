-- Count the records of a run that a release has written which did not count them.
--
-- ARGV   run_id; id: of the migrator
-- Reply  LOST if another one has come | WON
-- Leaves a run that was counted, or is gone, as it was, and the counts of another one as its records give them. Its index has
-- a field.

--- @include lib/key_types
--- @include lib/losses_of_run
--- @include lib/migration_fence
--- @include lib/mutate
--- @include lib/replies

--- @args id
if not is_migrator(meta, id) then return LOST end
if redis.call('HLEN', run) == 0 or redis.call('HEXISTS', run, COUNTED) == 1 then return WON end
expect_hashes(index)
mutate('HSETNX', index, 'created', 1)
mutate('HSETNX', run, COUNTED, 1)
local counts = counts_of(MEASURED)
count_fields = {}  -- the counts are set, and not counted themselves
mutate('HSET', run, unpack(counts))
return WON
