-- Change the flow state of a run of any status.
--
-- Reply  WON | LOST
-- Leaves the run at its next flow state and the inputs appended; nothing when lost.

--- @include lib/replies
--- @include lib/change
--- @include lib/run_head

--- @keys run index inputs
--- @args run_change:change new_inputs*
if not matches(run, run_change) then
  run_exists(run, index)
  return LOST
end

in_chunks('RPUSH', inputs, new_inputs)
write(run, run_change)
return WON
