-- Numbers in fields of hashes. Counters are read first and written with HSET: HINCRBY would refuse one that is no number
-- when other writes have happened already.
-- A number that stands alone, and is not counted on by older releases, is written between a space and a line feed, so
-- that one which was cut short is not taken for another one.

-- numbers of Lua are exact up to 15 digits
local MOST_DIGITS = 15

-- the number that a text stands for, nil if it is none
local function number_in(text)
  local digits = string.match(text, '^ (%d+)\n$') or string.match(text, '^%d+$')
  return digits and #digits <= MOST_DIGITS and tonumber(digits) or nil
end

-- The number in a field, 0 if there is no such field. `text` is what stands there if that was read already, false for
-- nothing.
local function number_at(key, field, text)
  if text == nil then text = redis.call('HGET', key, field) end
  if not text then return 0 end
  local number = number_in(text)
  if not number then
    --- @include lib/damage
    damaged(key, 'its field ' .. field .. ' is no number: ' .. string.sub(text, 1, 40))
  end
  return number
end

-- a count as decimal text, however great it is
local function decimal(count)
  return string.format(count < 1e15 and '%d' or '%.0f', count)  -- the first one is the faster
end

local function numeral(number)
  return ' ' .. decimal(number) .. '\n'
end
