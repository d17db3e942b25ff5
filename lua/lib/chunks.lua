-- One command over many values: unpack stops at 7,999, and a script must not fail half-way.

local CHUNK = 4000

local function in_chunks(command, key, values)
  for first = 1, #values, CHUNK do
    redis.call(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end
