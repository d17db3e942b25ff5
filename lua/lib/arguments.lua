-- ARGV, read from front to back: a value, or a count and that many values. Documents stay as they are (decision 0003).

--- @include lib/chunk_size

local position = 0

local function take()
  position = position + 1
  return ARGV[position]
end

-- a count, and that many records as `take_record` reads them
local function take_each(take_record)
  local records, count = {}, tonumber(take())
  if count > #ARGV then error('a count of ' .. count .. ' records is greater than there are arguments') end
  for i = 1, count do
    records[i] = take_record()
  end
  return records
end

local function take_list()
  local first, last = position + 2, position + 1 + ARGV[position + 1]
  position = last
  if last > #ARGV then error('a list goes on behind the last argument') end
  if last - first < CHUNK then return { unpack(ARGV, first, last) } end
  local values = {}
  for at = first, last do values[at - first + 1] = ARGV[at] end
  return values
end
