-- Write a config document unless there is one.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, namespace, id, revision, document
-- Reply  WON | EXISTS
-- Leaves the document and a change in the feed, and wakes its subscribers; nothing unless won.

--- @include lib/config_documents

local keys, feed_length, write = config_keys(), take(), take_document()
if present(keys, write.place) then return EXISTS end
return put(keys, feed_length, write)
