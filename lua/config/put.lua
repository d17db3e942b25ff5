-- Write a config document, whatever is there.
--
-- KEYS   see lib/config_documents
-- ARGV   length of the feed, namespace, id, revision, document
-- Reply  WON
-- Leaves the document, the one before it as a past version, and a change in the feed; wakes its subscribers.

--- @include lib/config_documents

return put(config_keys(), take(), take_document())
