-- Replace a realm profile.
--
-- Reply  {WON, record} | {CONFLICT, current revision} | {NOT_FOUND}
-- Leaves the profile with the next revision of its name, created when it was and updated now; nothing when not won.

--- @include lib/replies
--- @include lib/profile_record

--- @keys profiles revisions
--- @args name profile expected
local record = redis.call('HGET', profiles, name)
if not record then return { NOT_FOUND } end
if revision_of(record) ~= expected then return { CONFLICT, revision_of(record) } end

return { WON, put_profile(profiles, revisions, name, created_at(record), profile) }
