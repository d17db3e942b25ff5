-- What the keys of a namespace have lost, but for those of single runs.
--
-- Reply  {{key, what is wrong with it} of each, the places of all runs}; nothing of a namespace that was never opened
-- Leaves everything as it was.

--- @include lib/losses_of_namespace

find_losses()
return { losses, redis.call('ZRANGE', runs, 0, -1) }
