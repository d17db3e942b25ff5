-- Delete a config document if it has the expected revision; absence counts as 0.
--
-- KEYS   those of lib/config_documents
-- Reply  WON | the revision that is there, as text
-- Leaves neither document nor past versions. If there was one: a change in the feed, and wakes its subscribers; nothing
-- unless won.

--- @include lib/config_writes

--- @args feed_length expected write:name
local actual = revision_of(write)
if actual ~= expected then return actual end
return commit_writes(feed_length, { write })
