-- Begin a migration, or go on with one that was interrupted, in the place of another migrator.
--
-- ARGV   id: of this migrator; schema: that the namespace will have; judged: the workers that can go on with it
-- Reply  LOST if another worker is alive | {how many runs are done, the place behind which it goes on}
-- Leaves the migrator as the only one, and the schema version raised, which keeps releases out that do not read it.

--- @include lib/arguments
--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/replies

--- @keys meta workers
--- @args id schema judged*
read_clock(meta)
local may_be = {}
for _, worker in ipairs(judged) do may_be[worker] = true end
local known = redis.call('ZRANGE', workers, 0, -1, 'WITHSCORES')
for i = 1, #known, 2 do
  if tonumber(known[i + 1]) > NOW and not may_be[known[i]] then return LOST end
end
local done, place = string.match(redis.call('HGET', meta, 'migration') or '', '^%S+ (%d+) (.*)$')
done, place = done or '0', place or ''
mutate('HSET', meta, 'migration', id .. ' ' .. done .. ' ' .. place)
if (number_in(redis.call('HGET', meta, 'schema') or '') or 0) < tonumber(schema) then
  mutate('HSET', meta, 'schema', schema)
end
return { done, place }
