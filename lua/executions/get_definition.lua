-- Read a definition that runs were started with.
--
-- Reply  the definition, or nil
-- Leaves everything as it was.

--- @keys definitions
--- @args digest
return redis.call('HGET', definitions, digest)
