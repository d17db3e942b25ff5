-- Wakes the subscribers of a channel, as the last thing that a script does. What was written counts, and subscribers look
-- for it by themselves every second: a message that cannot be sent must neither undo a commit nor hide it.

local function announce(channel, message)
  redis.pcall('SPUBLISH', channel, message)
end

local function announce_each(channel, messages)
  for _, message in ipairs(messages) do announce(channel, message) end
end

-- tells that something may be taken from these queues, the keys of a table (see codec/schedule.py)
local function announce_queues(channel, queues)
  for queue in pairs(queues) do announce(channel, 'q' .. queue) end
end
