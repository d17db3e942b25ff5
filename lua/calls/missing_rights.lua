-- Ask which of some commands the user who asks may not run; nothing is run.
--
-- ARGV   commands: a count and that many words of each, with the keys and channels that it takes
-- Reply  the positions, from 1, of those that the user may not run
-- Leaves everything as it was. A command that the server does not know is not looked for, and a double of a server that
-- has no rights refuses none.

--- @include lib/arguments

local function take_words()
  return take_list()
end

--- @args commands:words*
local refused, may = {}, redis.acl_check_cmd
if not may then return refused end
for i, words in ipairs(commands) do
  local known, allowed = pcall(may, unpack(words))
  if known and not allowed then refused[#refused + 1] = i end
end
return refused
