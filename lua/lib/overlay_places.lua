-- The overlays of a mob: a place for each in lexical order, which is also its field among the records.

--- @include lib/counts

local function places_of(places, prefix)
  expect_whole('ZCARD', places)
  return redis.call('ZRANGEBYLEX', places, '[' .. prefix, '(' .. prefix .. '\255')
end
