-- Read a part of what the calls of tools of a run have come to.
--
-- ARGV   cursor: '0' for the first part; about: how many records one part looks at
-- Reply  {cursor of the next part, '0' at the end; fields and records}
-- Leaves everything as it was.

--- @keys records
--- @args cursor about
return redis.call('HSCAN', records, cursor, 'MATCH', 't*', 'COUNT', about)
