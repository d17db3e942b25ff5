-- Commit one transition of a run: everything it changes, records and tells, or nothing (decision 0006).
--
-- KEYS   1 run   2 frames   3 loops   4 executions   5 authority inputs   6 outputs   7 step ledger   8 its outputs
--        9 failure ledger   10 iteration ledger   11 index of the ledgers   12 runs by time   13 executions by time
--        14 meta   15 events   16 event identities   17 events by time   18 channel of events   19 channel of runs
-- ARGV   expected status, next status, whether cancellation was requested (0 or 1), change of the run, changes of
--        frames, of loops, of executions (whole records in the place of digests), executions that must be unchanged,
--        list of inputs, outputs, step rows, step rows that are to stand once, failure rows, iteration rows, times of
--        the run, times of executions, events, terminal events
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

local expected, next_status, canceled, run = take(), take(), tonumber(take()), take_change()
local frames, loops, executions = take_each(take_change), take_each(take_change), take_each(take_change)
local unchanged = take_each(take_expected)
if not may_change(KEYS[1], expected) then return LOST end
if redis.call('HEXISTS', KEYS[1], 'cancel_requested_at') ~= canceled then return LOST end
if not matches(KEYS[1], run) then return LOST end
if not all_match(KEYS[2], frames) then return LOST end
if not all_match(KEYS[3], loops) then return LOST end
if not all_match(KEYS[4], executions) then return LOST end
if not all_match(KEYS[4], unchanged) then return LOST end

write(KEYS[1], run)
if next_status ~= expected then set_status(KEYS[1], next_status) end
for _, frame in ipairs(frames) do write(KEYS[2], frame) end
for _, loop in ipairs(loops) do write(KEYS[3], loop) end
for _, execution in ipairs(executions) do write(KEYS[4], execution) end
in_chunks('RPUSH', KEYS[5], take_list())
for _, output in ipairs(take_each(take_output)) do record_output(KEYS[6], output) end
for _, row in ipairs(take_each(take_step_row)) do append_step_row(KEYS[7], KEYS[8], KEYS[11], row) end
for _, row in ipairs(take_each(take_step_row)) do append_step_row_once(KEYS[7], KEYS[8], KEYS[11], row) end
for _, row in ipairs(take_each(take_failure_row)) do append_failure_row(KEYS[9], KEYS[11], row) end
for _, row in ipairs(take_each(take_iteration_row)) do append_iteration_once(KEYS[10], KEYS[11], row) end
for _, time in ipairs(take_each(take_time)) do set_time(KEYS[12], time) end
for _, time in ipairs(take_each(take_time)) do set_time(KEYS[13], time) end

local log = log_keys(14)
append_events(log, take_each(take_event))
append_events(log, absent_events(log, take_each(take_event)))
redis.call('SPUBLISH', KEYS[19], '')
return WON
