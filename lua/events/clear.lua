-- Delete all events.
--
-- KEYS   1 events   2 event identities   3 events by time
-- ARGV   none
-- Reply  OK
-- Leaves an empty log; cursors go on where they were.

redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return redis.status_reply('OK')
