-- Sorted sets in lexical order: all scores are 0, and members that begin alike stand together.

-- the members that begin with a prefix, or only the first so many of them
local function beginning_with(key, prefix, most)
  return redis.call('ZRANGE', key, '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, most or -1)
end

-- the first member behind all that begin with one prefix, among those that begin with another
local function first_behind(key, prefix, behind)
  return redis.call('ZRANGE', key, '[' .. behind .. '\255', '[' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, 1)[1]
end
