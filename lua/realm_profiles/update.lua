-- Replace a realm profile.
--
-- Reply  {WON, record} | {CONFLICT, current revision} | {NOT_FOUND}
-- Leaves the profile with the next revision of its name, created when it was and updated now; nothing when not won.

--- @include lib/replies
--- @include lib/profile_record

--- @keys meta profiles profile_revisions
--- @args name profile expected
local record = found_in(profiles, profile_revisions, name)
if not record then return { NOT_FOUND } end
if revision_of(record) ~= expected then return { CONFLICT, revision_of(record) } end

return { WON, put_profile(profiles, profile_revisions, name, record, profile) }
