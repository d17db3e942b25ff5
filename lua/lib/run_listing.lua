-- Lists of runs are whole, or refused: all runs that were ever created have a place.

--- @include lib/counters
--- @include lib/damage

local function expect_all_runs(meta, runs)
  -- `runs_lost` counts those whose loss was accepted
  local created, found = number_at(meta, 'runs') - number_at(meta, 'runs_lost'), redis.call('ZCARD', runs)
  if found < created then damaged(runs, found .. ' of ' .. decimal(created) .. ' runs are there') end
  if found > created then damaged(meta, 'its counter of runs is behind them') end
end
