-- Read the definition of a mob.
--
-- Reply  revision, a space and the definition; or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta specs
--- @args mob
local spec = redis.call('HGET', specs, mob)
if not spec then expect_whole('HLEN', specs) end
return spec
