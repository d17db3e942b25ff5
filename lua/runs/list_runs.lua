-- The ids of the runs of one mob, or of one flow of it.
--
-- ARGV   prefix: of their places among the runs
-- Reply  the places: prefix, sequence of creation (16 digits), run id
-- Leaves everything as it was.

--- @keys meta runs
--- @args prefix
local created = redis.call('HGET', meta, 'runs') or '0'
local found = redis.call('ZCARD', runs)
if found < tonumber(created) then error('DAMAGED ' .. runs .. ' ' .. found .. ' of ' .. created .. ' runs are there', 0) end
return redis.call('ZRANGEBYLEX', runs, '[' .. prefix, '(' .. prefix .. '\255')
