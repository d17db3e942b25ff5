-- Read a definition that runs were started with.
--
-- Reply  the definition, or nil
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta definitions
--- @args digest
local definition = redis.call('HGET', definitions, digest)
if not definition then expect_whole('HLEN', definitions) end
return definition
