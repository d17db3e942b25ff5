-- How many records a key of lib/counts holds, beside its count.

-- how many records a key holds; `measure` is the command that tells it of keys of its type
local function size_of(measure, key)
  if key ~= (owners and owners[key] or owner) then return redis.call(measure, key) end
  -- a hash that counts its own records does not count the counts
  local found = 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) ~= 'n:' then found = found + 1 end
  end
  return found
end

-- the number that a count stands for, nil if it is none: what HINCRBY makes has at most 19 digits
local function count_in(text)
  local digits = string.match(text, '^%-?(%d+)$')
  return digits and #digits <= 19 and tonumber(text) or nil
end
