-- Read the versions of a config document.
--
-- KEYS   those of lib/config_documents
-- Reply  '<revision> <time> <document>' of each version, the newest first
-- Leaves everything as it was.

--- @include lib/config_documents
--- @include lib/counters

--- @args document:name
local place = document.place
if not present(document) then return {} end

expect_whole('HLEN', history)
expect_whole('HLEN', versions)
-- the caller names the document whose version cannot be read, and so gets it as it is
local found = { (redis.call('HGET', versions, place) or '') .. ' ' .. redis.call('HGET', documents, place) }
local count = past_versions(place)
for number = count, math.max(count - PAST + 1, 1), -1 do
  found[#found + 1] = redis.call('HGET', history, past_field(place, number)) or ''
end
return found
