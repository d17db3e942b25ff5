-- Delete a config document, if there is one.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, namespace, id
-- Reply  WON
-- Leaves neither document nor past versions. If there was one: a change in the feed, and wakes its subscribers.

--- @include lib/config_documents

return delete(config_keys(), take(), take_name())
