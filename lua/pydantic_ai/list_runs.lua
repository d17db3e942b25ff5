-- List runs of agents in the order of their beginnings.
--
-- ARGV   prefix: of the places that are meant; after: the last one that is known, '' = from the first one; most: how many at
--        most; digits: of the time that stands before the id of a run
-- Reply  {the last place, '' = there are no more, {a run as it is stored, ...}}
-- Leaves everything as it was.

--- @include lib/pydantic_ai_runs

--- @keys runs places
--- @args prefix after most digits
local low = after == '' and '[' .. prefix or '(' .. after
local found = redis.call('ZRANGE', places, low, '(' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, most)
local listed = {}
for _, place in ipairs(found) do
  local run = redis.call('HGET', runs, string.sub(place, #prefix + digits + 1))
  if run then listed[#listed + 1] = run end
end
return { #found == tonumber(most) and found[#found] or '', listed }
