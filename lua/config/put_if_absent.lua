-- Write a config document unless there is one.
--
-- KEYS   those of lib/config_documents
-- Reply  WON | EXISTS
-- Leaves the document and a change in the feed, and wakes its subscribers; nothing unless won.

--- @include lib/config_writes

--- @args feed_length write:document
if present(write) then return EXISTS end
return commit_writes(feed_length, { write })
