-- Resume a flow or a whole mob.
--
-- ARGV   kind: 'f' for a flow, 'm' for a mob; scope: which one, as queues name it
-- Reply  WON | EXISTS (it was not paused)
-- Leaves it going on. What a flow has aside is to be brought back, which workers do as well as bring_back; all are woken.

--- @include lib/announce
--- @include lib/counts
--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/mutate
--- @include lib/replies

--- @keys meta pauses queued channel
--- @args kind scope
expect_hashes(pauses)
expect_sorted_sets(queued)
if redis.call('HEXISTS', pauses, kind .. scope) == 0 then
  expect_whole('HLEN', pauses)
  return EXISTS
end
local has_aside = kind == 'f' and #beginning_with(queued, 'pf' .. scope, 1) > 0
-- this one first: as long as something is aside, something is counted
if has_aside then mutate('HSET', pauses, 'b' .. scope, '1') end
mutate('HDEL', pauses, kind .. scope)
announce(channel, '')
return WON
