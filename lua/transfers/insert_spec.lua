-- Store the definition of a mob with the revision that it brings, unless its name has one.
--
-- ARGV   document: with its revision in front, as it is stored
-- Reply  {WON} | {LOST, the document that is there} | {CONFLICT} (the name has had that revision, or a greater one)
-- Leaves the document with its revision; nothing when not won.

--- @include lib/replies
--- @include lib/revisions

--- @keys meta specs spec_revisions
--- @args name revision document
return bring_document(specs, spec_revisions, name, revision, document)
