-- Write a config document if the one that is there has the expected revision; absence counts as 0.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, expected revision, namespace, id, revision, document
-- Reply  WON | the revision that is there, as text
-- Leaves the document, the one before it as a past version, and a change in the feed; wakes its subscribers; nothing
-- unless won.

--- @include lib/config_documents

local keys, feed_length, expected, write = config_keys(), take(), take(), take_document()
local actual = revision_of(keys, write.place)
if actual ~= expected then return actual end
return put(keys, feed_length, write)
