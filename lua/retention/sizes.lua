-- How much there is in a namespace beside its runs.
--
-- Reply  {now (microseconds), number of events, time of the first one or '', number of definitions}
-- Leaves everything as it was.

--- @include lib/clock
--- @include lib/counts

--- @keys meta events definitions
expect_whole('XLEN', events)
expect_whole('HLEN', definitions)
local first, time_of_first = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1], ''
for i = 1, first and #first[2] or 0, 2 do
  if first[2][i] == 'timestamp' then time_of_first = first[2][i + 1] end
end
return { now(), redis.call('XLEN', events), time_of_first, redis.call('HLEN', definitions) }
