-- Write a config document without a condition: it replaces one that is there.
--
-- KEYS   those of lib/config_documents
-- Reply  WON
-- Leaves the document, the one before it as a past version, and a change in the feed; wakes its subscribers.

--- @include lib/config_writes

--- @args feed_length write:document
return commit_writes(feed_length, { write })
