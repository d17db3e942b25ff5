-- Where a queue ends in an entry of the schedule: it has four parts, each behind its length in four bytes. The first two,
-- mob and role, are what a limit of a role is named by.

local QUEUE_PARTS = 4

-- the end of the part that begins here
local function part_end(member, start)
  local a, b, c, d = string.byte(member, start, start + 3)
  return start + 3 + ((a * 256 + b) * 256 + c) * 256 + d
end

-- the end of the queue that begins here
local function queue_end(member, start)
  local at = start - 1
  for _ = 1, QUEUE_PARTS do at = part_end(member, at + 1) end
  return at
end
