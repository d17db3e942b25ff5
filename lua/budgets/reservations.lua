-- Read a part of what calls under way have put aside.
--
-- ARGV   cursor: '0' for the first part; about: how many one part looks at
-- Reply  {cursor of the next part, '0' at the end; names and records}
-- Leaves everything as it was.

--- @include lib/counts

--- @keys meta reservations
--- @args cursor about
if cursor == '0' then expect_whole('HLEN', reservations) end
return redis.call('HSCAN', reservations, cursor, 'COUNT', about)
