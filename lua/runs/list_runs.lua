-- The ids of the runs of one mob, or of one flow of it.
--
-- ARGV   prefix: of their places among the runs
-- Reply  the places: prefix, sequence of creation (16 digits), run id
-- Leaves everything as it was.

--- @include lib/counters
--- @include lib/damage

--- @keys meta runs
--- @args prefix
-- `runs_lost` counts those whose loss was accepted
local created, found = number_at(meta, 'runs') - number_at(meta, 'runs_lost'), redis.call('ZCARD', runs)
if found < created then damaged(runs, found .. ' of ' .. decimal(created) .. ' runs are there') end
if found > created then damaged(meta, 'its counter of runs is behind them') end
return redis.call('ZRANGEBYLEX', runs, '[' .. prefix, '(' .. prefix .. '\255')
