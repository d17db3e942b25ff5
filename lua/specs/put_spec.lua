-- Store the definition of a mob.
--
-- KEYS   1 specs   2 their revision clock
-- ARGV   mob, definition, expected revision ('' = any, 0 = absent)
-- Reply  {WON, new revision} | {LOST, current revision}
-- Leaves the definition with the next revision of its mob; nothing when lost.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/revisions

local mob, definition, expected = take(), take(), take()
local current = revision_of(redis.call('HGET', KEYS[1], mob))
if expected ~= '' and expected ~= current then return { LOST, current } end

local revision = next_revision(KEYS[2], mob)
redis.call('HSET', KEYS[1], mob, revision .. ' ' .. definition)
return { WON, revision }
