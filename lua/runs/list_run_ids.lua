-- The ids of the runs of one mob, or of one flow of it.
--
-- KEYS   1 runs
-- ARGV   prefix of their places among the runs
-- Reply  the places: prefix, sequence of creation (16 digits), run id
-- Leaves everything as it was.

return redis.call('ZRANGEBYLEX', KEYS[1], '[' .. ARGV[1], '(' .. ARGV[1] .. '\255')
