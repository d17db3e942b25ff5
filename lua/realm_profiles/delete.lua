-- Delete a realm profile.
--
-- KEYS   1 profiles
-- ARGV   name, expected revision
-- Reply  {WON, the deleted record} | {CONFLICT, current revision} | {NOT_FOUND}
-- Leaves no profile of this name, and the clock of its revisions where it was; nothing changes when not won.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/revisions

local name, expected = take(), take()
local record = redis.call('HGET', KEYS[1], name)
if not record then return { NOT_FOUND } end
if revision_of(record) ~= expected then return { CONFLICT, revision_of(record) } end

redis.call('HDEL', KEYS[1], name)
return { WON, record }
