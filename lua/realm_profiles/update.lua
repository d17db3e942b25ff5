-- Replace a realm profile.
--
-- KEYS   1 profiles   2 their revision clock
-- ARGV   name, profile, expected revision
-- Reply  {WON, record} | {CONFLICT, current revision} | {NOT_FOUND}
-- Leaves the profile with the next revision of its name, created when it was and updated now; nothing when not won.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/profile_record

local name, profile, expected = take(), take(), take()
local record = redis.call('HGET', KEYS[1], name)
if not record then return { NOT_FOUND } end
if revision_of(record) ~= expected then return { CONFLICT, revision_of(record) } end

return { WON, put_profile(KEYS[1], KEYS[2], name, created_at(record), profile) }
