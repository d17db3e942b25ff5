-- The values of many fields of a hash, false for one that is not there.

--- @include lib/chunk_size

local function values_of(key, fields)
  if #fields == 0 then return {} end
  if #fields <= CHUNK then return redis.call('HMGET', key, unpack(fields)) end
  local values = {}
  for first = 1, #fields, CHUNK do
    for i, value in ipairs(redis.call('HMGET', key, unpack(fields, first, math.min(first + CHUNK - 1, #fields)))) do
      values[first + i - 1] = value
    end
  end
  return values
end
