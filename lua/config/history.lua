-- Read the versions of a config document.
--
-- KEYS   see lib/config_documents
-- ARGV   namespace, id
-- Reply  '<revision> <time> <document>' of each version, the newest first
-- Leaves everything as it was.

--- @include lib/config_documents

local keys, place = config_keys(), take_name().place
if not present(keys, place) then return {} end

local versions = { version_at(keys, place) }
local count = tonumber(redis.call('HGET', keys.history, 'n:' .. place) or '0')
for number = count, math.max(count - PAST + 1, 1), -1 do
  versions[#versions + 1] = redis.call('HGET', keys.history, number % PAST .. ':' .. place) or ''
end
return versions
