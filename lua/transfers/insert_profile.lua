-- Store the realm profile with the revision that it brings, unless its name has one.
--
-- ARGV   document: with its revision in front, as it is stored
-- Reply  {WON} | {LOST, the document that is there} | {CONFLICT} (the name has had that revision, or a greater one)
-- Leaves the document with its revision; nothing when not won.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta profiles profile_revisions
--- @args name revision document
return bring_document(profiles, profile_revisions, name, revision, document)
