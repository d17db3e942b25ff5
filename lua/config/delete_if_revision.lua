-- Delete a config document if it has the expected revision; absence counts as 0.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, expected revision, namespace, id
-- Reply  WON | the revision that is there, as text
-- Leaves neither document nor past versions. If there was one: a change in the feed, and wakes its subscribers; nothing
-- unless won.

--- @include lib/config_documents

local keys, feed_length, expected, write = config_keys(), take(), take(), take_name()
local actual = revision_of(keys, write.place)
if actual ~= expected then return actual end
return delete(keys, feed_length, write)
