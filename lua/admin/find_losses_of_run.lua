-- What the keys of a run have lost.
--
-- Reply  {key, what is wrong with it} of each
-- Leaves everything as it was.

--- @include lib/losses_of_run

return (find_losses())
