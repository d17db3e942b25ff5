-- Ask whether the user who asks may run a command; nothing is run.
--
-- ARGV   the command, with keys and channels where it takes them
-- Reply  1 | 0 | an error if the server knows no such command
-- Leaves everything as it was.

return redis.acl_check_cmd(unpack(ARGV)) and 1 or 0
