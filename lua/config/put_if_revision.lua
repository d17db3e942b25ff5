-- Write a config document if the one that is there has the expected revision; absence counts as 0.
--
-- KEYS   those of lib/config_documents
-- Reply  WON | the revision that is there, as text
-- Leaves the document, the one before it as a past version, and a change in the feed; wakes its subscribers; nothing
-- unless won.

--- @include lib/config_writes

--- @args feed_length expected write:document
local actual = revision_of(write)
if actual ~= expected then return actual end
return commit_writes(feed_length, { write })
