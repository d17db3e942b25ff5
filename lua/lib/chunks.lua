-- One write over many values: unpack stops at 7,999, and a script must not fail half-way.

--- @include lib/mutate

local CHUNK = 4000

local function in_chunks(command, key, values)
  for first = 1, #values, CHUNK do
    mutate(command, key, unpack(values, first, math.min(first + CHUNK - 1, #values)))
  end
end
