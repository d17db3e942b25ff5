-- Store the definition of a mob.
--
-- ARGV   expected: revision; '' = any, 0 = absent
-- Reply  {WON, new revision} | {LOST, current revision}
-- Leaves the definition with the next revision of its mob; nothing when lost.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta specs spec_revisions
--- @args mob definition expected
local stored = found_in(specs, spec_revisions, mob)
local current = revision_of(stored)
if expected ~= '' and expected ~= current then return { LOST, current } end

local revision = next_revision(spec_revisions, mob, stored)
mutate('HSET', specs, mob, revision .. ' ' .. definition)
return { WON, revision }
