-- Read a part of what models have used in all, by flow.
--
-- ARGV   cursor: '0' for the first part; about: how many one part looks at
-- Reply  {cursor of the next part, '0' at the end; fields and records}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta model_usage
--- @args cursor about
if cursor == '0' then expect_whole('HLEN', model_usage) end
return redis.call('HSCAN', model_usage, cursor, 'COUNT', about)
