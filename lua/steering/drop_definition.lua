-- Delete a definition that no run has.
--
-- ARGV   digest: of the definition; created: how many runs were ever created when it was last looked for one
-- Reply  WON | LOST (more were created since: one of them may have it)
-- Leaves the definition gone.

--- @include lib/counters
--- @include lib/key_types
--- @include lib/mutate
--- @include lib/replies

--- @keys meta definitions
--- @args digest created
expect_hashes(definitions)
if number_at(meta, 'runs') ~= tonumber(created) then return LOST end

mutate('HDEL', definitions, digest)
return WON
