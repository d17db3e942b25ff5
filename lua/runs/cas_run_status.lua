-- Change the status of a run.
--
-- Reply  WON | LOST
-- Leaves the run at its next status, and its time of completion set if that is terminal; nothing when lost.

--- @include lib/replies
--- @include lib/status

--- @keys run index runs_by_status
--- @args expected_status next_status
if not may_change(run, index, expected_status) then return LOST end

if next_status == 'canceled' then
  --- @include lib/when_full
  write_even_when_full(run)
end
set_status(run, runs_by_status, indexed_place(run, runs_by_status), next_status)
return WON
