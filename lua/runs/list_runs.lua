-- The ids of the runs of one mob, or of one flow of it.
--
-- ARGV   prefix: of their places among the runs
-- Reply  the places: prefix, sequence of creation (16 digits), run id
-- Leaves everything as it was.

--- @keys runs
--- @args prefix
return redis.call('ZRANGEBYLEX', runs, '[' .. prefix, '(' .. prefix .. '\255')
