-- Documents by their places.

local AT_ONCE = 4000

-- {place, document (false if it is missing)} of each place
local function documents_at(key, places)
  local found = {}
  for first = 1, #places, AT_ONCE do
    local last = math.min(first + AT_ONCE - 1, #places)
    for i, document in ipairs(redis.call('HMGET', key, unpack(places, first, last))) do
      found[#found + 1] = { places[first + i - 1], document }
    end
  end
  return found
end

-- no id contains the byte 255
local function after_all(namespace)
  return '(' .. namespace .. '\255'
end
