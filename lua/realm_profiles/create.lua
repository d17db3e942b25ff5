-- Store a new realm profile.
--
-- Reply  {WON, record} | {CONFLICT, current revision} (the name is taken)
-- Leaves the profile with the next revision of its name, created and updated now; nothing when not won.

--- @include lib/replies
--- @include lib/profile_record

--- @keys meta profiles profile_revisions
--- @args name profile
local record = found_in(profiles, profile_revisions, name)
if record then return { CONFLICT, revision_of(record) } end

return { WON, put_profile(profiles, profile_revisions, name, nil, profile) }
