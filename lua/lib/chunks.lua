-- One write over many values, which are passed on in chunks: a script must not fail half-way.

--- @include lib/chunk_size
--- @include lib/mutate

-- writes the values from `first` to `last`, all of them if these are not given, and returns the last reply
local function in_chunks(command, key, values, first, last)
  local reply
  last = last or #values
  for at = first or 1, last, CHUNK do
    reply = mutate(command, key, unpack(values, at, math.min(at + CHUNK - 1, last)))
  end
  return reply
end
