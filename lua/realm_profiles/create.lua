-- Store a new realm profile.
--
-- KEYS   1 profiles   2 their revision clock
-- ARGV   name, profile
-- Reply  {WON, record} | {CONFLICT, current revision} (the name is taken)
-- Leaves the profile with the next revision of its name, created and updated now; nothing when not won.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/profile_record

local name, profile = take(), take()
local record = redis.call('HGET', KEYS[1], name)
if record then return { CONFLICT, revision_of(record) } end

return { WON, put_profile(KEYS[1], KEYS[2], name, nil, profile) }
