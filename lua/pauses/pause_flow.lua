-- Pause a flow or a whole mob: from now on no commit begins an execution of it.
--
-- ARGV   kind: 'f' for a flow, 'm' for a mob; scope: which one, as queues name it; reason: '' for none
-- Reply  WON | EXISTS (it was paused before, and stays as it was)
-- Leaves it paused. What it has waiting is put aside by set_aside after that, or as workers come to it.

--- @include lib/key_types
--- @include lib/pauses
--- @include lib/counts
--- @include lib/mutate
--- @include lib/replies

--- @keys meta pauses
--- @args kind scope reason
expect_hashes(pauses)
if redis.call('HEXISTS', pauses, kind .. scope) == 1 then return EXISTS end
expect_whole('HLEN', pauses)
read_clock(meta)
mutate('HSET', pauses, kind .. scope, pause_record(reason))
if kind == 'f' then mutate('HDEL', pauses, 'b' .. scope) end
return WON
