-- Read some places of runs.
--
-- ARGV   prefix: what they begin with; after: the place behind which they come, or before which with `backwards` 1, '' =
--        from the end of them all; most: greatest number
-- Reply  {how many runs were ever created, places in their order}
-- Leaves everything as it was.

--- @include lib/counters

--- @keys meta runs
--- @args prefix after backwards most
local first, last = '[' .. prefix, '(' .. prefix .. '\255'
local created = decimal(number_at(meta, 'runs'))
if backwards == '1' then
  if after ~= '' then last = '(' .. after end
  return { created, redis.call('ZRANGE', runs, last, first, 'BYLEX', 'REV', 'LIMIT', 0, most) }
end
if after ~= '' then first = '(' .. after end
return { created, redis.call('ZRANGE', runs, first, last, 'BYLEX', 'LIMIT', 0, most) }
