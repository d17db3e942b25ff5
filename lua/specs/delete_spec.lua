-- Delete the definition of a mob.
--
-- ARGV   expected: revision; '' = any
-- Reply  WON | LOST (it is absent, or has another revision)
-- Leaves no definition, and the clock of its revisions where it was; nothing changes when lost.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta specs spec_revisions
--- @args mob expected
local definition = redis.call('HGET', specs, mob)
if not definition then
  expect_whole('HLEN', specs)
  return LOST
end
if expected ~= '' and expected ~= revision_of(definition) then return LOST end

delete_document(specs, spec_revisions, mob)
return WON
