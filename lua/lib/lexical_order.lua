-- Sorted sets in lexical order: all scores are 0, and members that begin alike stand together.

-- the members that begin with a prefix, or no more than `most` of them, the first ones
local function beginning_with(key, prefix, most)
  return redis.call('ZRANGE', key, '[' .. prefix, '[' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, most or -1)
end

-- the first member behind all that begin with one prefix, among those that begin with another
local function first_behind(key, prefix, behind)
  return redis.call('ZRANGE', key, '[' .. behind .. '\255', '[' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- how many members begin with a prefix
local function number_with(key, prefix)
  return redis.call('ZLEXCOUNT', key, '[' .. prefix, '[' .. prefix .. '\255')
end

-- the first member behind all that begin with a text, up to one that begins with another, '' = up to the end; without a
-- text, the first of all
local function first_after(key, text, up_to)
  local from = text == '' and '-' or '[' .. text .. '\255'
  return redis.call('ZRANGE', key, from, up_to == '' and '+' or '(' .. up_to, 'BYLEX', 'LIMIT', 0, 1)[1]
end
