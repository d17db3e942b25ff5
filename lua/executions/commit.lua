-- Commit one transition of a run: everything it changes, records and tells, or nothing (decision 0006).
--
-- KEYS   due: runs by time, ready: executions by time
-- ARGV   cancel_requested: 0 or 1, as the transition saw it; execution_changes and unchanged: with whole records in the
--        place of digests, unchanged being those that must be as the transition saw them; step_rows_once: rows that are
--        to stand once; run_time, execution_times: when to look at them again
-- Reply  WON | LOST
-- Leaves all of it done. A terminal event that the log has already is not repeated.

--- @include lib/replies
--- @include lib/change
--- @include lib/status
--- @include lib/outputs
--- @include lib/step_ledger
--- @include lib/failure_ledger
--- @include lib/iteration_ledger
--- @include lib/schedule
--- @include lib/event_log

local function take_expected()
  return { field = take(), expected = take() }
end

--- @keys run frames loops executions inputs outputs steps step_outputs failures iterations index due ready
--- @keys meta events event_identities events_by_time events_channel runs_channel
--- @args expected_status next_status cancel_requested run_change:change frame_changes:change* loop_changes:change*
--- @args execution_changes:change* unchanged:expected* new_inputs* new_outputs:output* step_rows:step_row*
--- @args step_rows_once:step_row* failure_rows:failure_row* iteration_rows:iteration_row* run_time:time
--- @args execution_times:time* new_events:event* terminal_events:event*
if not may_change(run, index, expected_status) then return LOST end
if redis.call('HEXISTS', run, 'cancel_requested_at') ~= tonumber(cancel_requested) then
  expect_whole('HLEN', run)
  return LOST
end
if not matches(run, run_change) then return LOST end
if not all_match(frames, frame_changes) then return LOST end
if not all_match(loops, loop_changes) then return LOST end
if not all_match(executions, execution_changes) then return LOST end
if not all_match(executions, unchanged) then return LOST end
for _, output in ipairs(new_outputs) do loop_length(outputs, output) end
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
local absent = absent_events(log, terminal_events)
if #step_rows_once + #iteration_rows > 0 then expect_whole('HLEN', index) end
expect_lists(inputs, steps, failures, iterations)
expect_hashes(outputs, step_outputs, index)
expect_sorted_sets(due, ready)

-- events first, as lib/event_log says
append_events(log, new_events)
append_events(log, absent)
write(run, run_change)
if next_status ~= expected_status then set_status(run, next_status) end
write_all(frames, frame_changes)
write_all(loops, loop_changes)
write_all(executions, execution_changes)
in_chunks('RPUSH', inputs, new_inputs)
for _, output in ipairs(new_outputs) do record_output(outputs, output) end
for _, row in ipairs(step_rows) do append_step_row(steps, step_outputs, index, row) end
for _, row in ipairs(step_rows_once) do append_step_row_once(steps, step_outputs, index, row) end
for _, row in ipairs(failure_rows) do append_failure_row(failures, index, row) end
for _, row in ipairs(iteration_rows) do append_iteration_once(iterations, index, row) end
set_time(due, run_time)
for _, time in ipairs(execution_times) do set_time(ready, time) end

announce_events(log)
announce(runs_channel, '')
return WON
