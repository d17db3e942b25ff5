-- Count the records of a namespace that a release has written which did not count them.
--
-- ARGV   id: of the migrator
-- Reply  LOST if another one has come | {key, what is wrong with it} of each: then nothing is counted, for that would hide it
-- Leaves a namespace that was counted as it was, and the counts of another one as the records give them.

--- @include lib/losses_of_namespace
--- @include lib/migration_fence
--- @include lib/mutate
--- @include lib/replies

--- @args id
if not is_migrator(meta, id) then return LOST end
if redis.call('HEXISTS', meta, COUNTED) == 1 then return {} end
find_losses()
local others = {}
for _, loss in ipairs(losses) do
  if loss[2] ~= NOT_COUNTED then others[#others + 1] = loss end
end
if #others > 0 then return others end
local counts = counts_of(MEASURED)
count_fields = {}  -- the counts are set, and not counted themselves
mutate('HSET', meta, COUNTED, 1, unpack(counts))
-- the first epoch, as all clients take it that have found none
if redis.call('HEXISTS', meta, 'epoch') == 0 then mutate('HSET', meta, 'epoch', 0) end
return {}
