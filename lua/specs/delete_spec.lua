-- Delete the definition of a mob.
--
-- KEYS   1 specs
-- ARGV   mob, expected revision ('' = any)
-- Reply  WON | LOST (it is absent, or has another revision)
-- Leaves no definition, and the clock of its revisions where it was; nothing changes when lost.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/revisions

local mob, expected = take(), take()
local definition = redis.call('HGET', KEYS[1], mob)
if not definition then return LOST end
if expected ~= '' and expected ~= revision_of(definition) then return LOST end

redis.call('HDEL', KEYS[1], mob)
return WON
