-- Delete a config document, if there is one.
--
-- KEYS   those of lib/config_documents
-- Reply  WON
-- Leaves neither document nor past versions. If there was one: a change in the feed, and wakes its subscribers.

--- @include lib/config_writes

--- @args feed_length write:name
return commit_writes(feed_length, { write })
