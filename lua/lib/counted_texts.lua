-- Texts that stand behind each other, each behind its length and a colon (redis_mob/codec/counted_texts.py).

-- those from one byte to another, unless it is said otherwise all of them
local function texts_in(joined, at, last)
  local found = {}
  at, last = at or 1, last or #joined
  while at <= last do
    local length = string.match(joined, '^(%d+):', at)
    local first = at + #length + 1
    at = first + length
    found[#found + 1] = string.sub(joined, first, at - 1)
  end
  return found
end
