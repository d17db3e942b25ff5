-- Store the realm profile with the revision that it brings, unless its name has one.
--
-- ARGV   document: with its revision in front, as it is stored
-- Reply  {WON} | {LOST, the document that is there} | {CONFLICT} (the name has had that revision, or a greater one)
-- Leaves the document with its revision; nothing when not won.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta profiles profile_revisions
--- @args name revision document
local stored = found_in(profiles, profile_revisions, name)
if stored then return { LOST, stored } end
if not is_new_revision(profile_revisions, name, revision) then return { CONFLICT } end

bring_document(profiles, profile_revisions, name, revision, document)
return { WON }
