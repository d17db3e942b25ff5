-- Commit one transition of a run: everything it changes, records and tells, or nothing (decision 0006).
--
-- KEYS   due: runs by time; ready, queued: executions (see lib/schedule); gated, gate_times: those with limits (see lib/gates);
--        limits: how many executions of a role may be under way; asks: what people are asked (see lib/asks); talked: of a run with a conversation conversing, conversations, conversation and items
--        (see lib/conversations)
-- ARGV   cancel_requested: 0 or 1, as the transition saw it, and how often the run was moved, if it was; version: of the run as a decision saw it, '' for facts;
--        reports_seen: how many a decision saw; new_reports: how many there are among facts; run_change: none for facts;
--        execution_changes: with whole records in the place of digests; step_rows_once: rows that are to stand once;
--        run_time: when to look at it again; moves: of executions in the schedule; scopes: the mob of the run, and its mob and
--        flow, as queues name them, none without moves; messages: of what has changed for others
--        Of execution changes: one without a next record leaves, groups are kept in the index, what is dropped are signals
-- Reply  WON | HANDED_ON, if what it claims waits for others, since its worker is gone | LOST, also for one that begins an
--        execution of what is paused or has no room under a limit, or times out an ask that was answered
-- Leaves all of it done. A terminal event that the log has already is not repeated.

--- @include lib/replies
--- @include lib/asks
--- @include lib/change
--- @include lib/status
--- @include lib/outputs
--- @include lib/step_ledger
--- @include lib/failure_ledger
--- @include lib/iteration_ledger
--- @include lib/debounces
--- @include lib/pauses
--- @include lib/schedule
--- @include lib/gathering
--- @include lib/recorded_events
--- @include lib/event_log
--- @include lib/key_types

--- @keys run frames loops executions inputs outputs steps step_outputs failures iterations index due ready queued
--- @keys lost meta events event_identities events_by_time events_channel runs_channel cursors runs_by_status
--- @keys gated gate_times limits pauses debounces asks talked*
--- @args expected_status next_status cancel_requested version reports_seen new_reports run_change:change*
--- @args frame_changes:change* loop_changes:change* execution_changes:change* new_inputs* new_outputs:output*
--- @args step_rows:step_row* step_rows_once:step_row* failure_rows:failure_row* iteration_rows:iteration_row*
--- @args run_time:time moves:move* ask_changes:ask_change* scopes* messages* new_events:event* terminal_events:event*
local status, canceled, decided, reported, recorded, sequence, paused, moved, debounce = unpack(redis.call('HMGET', run,
  'status', 'cancel_requested_at', 'version', 'reports', 'recorded', 'sequence', 'paused', 'moves', 'debounce'), 1, 9)
if not is_open(checked_status(run, index, status), expected_status) then return LOST end
-- the moves as they stand there: between a space and a line feed
if (canceled and '1' or '0') .. (moved and string.match(moved, '%d+') or '') ~= cancel_requested then
  expect_whole('HLEN', run)
  return LOST
end
local decides = version ~= ''
decided, reported = number_at(run, 'version', decided), number_at(run, 'reports', reported)
if decides and decided ~= tonumber(version) then
  expect_whole('HLEN', run)
  return LOST
end
if not all_match(run, run_change) then return LOST end
if not all_match(frames, frame_changes) then return LOST end
if not all_match(loops, loop_changes) then return LOST end
if not all_match(executions, execution_changes) then return LOST end
local changed, left, kept = parted(execution_changes)
local records = records_of(outputs, new_outputs)
local log = event_log(meta, events, event_identities, events_by_time, events_channel)
for _, event in ipairs(absent_events(log, terminal_events)) do new_events[#new_events + 1] = event end
if #iteration_rows > 0 then expect_whole('HLEN', index) end
add_absent_step_rows(index, step_rows, step_rows_once)
-- each key that is written is read before
if #new_inputs > 0 then expect_lists(inputs) end
if #step_rows > 0 then
  expect_lists(steps)
  expect_hashes(step_outputs, index)
end
if #failure_rows > 0 then
  expect_lists(failures)
  expect_hashes(index)
end
if #iteration_rows > 0 then expect_lists(iterations) end
if #new_events > 0 then expect_lists(cursors) end
if #kept > 0 then expect_hashes(index) end
if #ask_changes > 0 then
  expect_sorted_sets(asks)
  if not all_pending(asks, ask_changes) then
    expect_whole('ZCARD', asks)
    return LOST
  end
end
if #moves > 0 then
  -- mostly nothing is there: then it is not asked for each execution
  if redis.call('HLEN', lost) == 0 then lost = nil end
  expect_sorted_sets(ready, queued)
  for _, move in ipairs(moves) do
    if move.has_gates then
      expect_sorted_sets(gated, gate_times)
      break
    end
  end
  if not may_claim(queued, gated, limits, lost, moves) then
    expect_whole('ZCARD', queued)
    expect_whole('ZCARD', gated)
    return LOST
  end
end
expect_sorted_sets(due)
local place = next_status ~= expected_status and indexed_place(run, runs_by_status, sequence) or nil
local ends_debounce = debounce and next_status ~= 'pending'
if ends_debounce then expect_hashes(debounces) end
-- ends the turn of a run that is over, in its conversation, and adds the message that another one is due by that
local end_turn_of_run = talked[1] and TERMINAL[next_status] and (function()
  --- @include lib/conversations
  local turn, conversation = turn_in(run, redis.call('HGET', run, 'conversation')), conversation_keys(talked, meta)
  local number = number_at(run, 'sequence', sequence)
  expect_conversation(conversation)
  return function()
    local woken = turn and end_turn(conversation, due, turn, turn_place(turn.digest, number, run_time.member))
    if woken then messages[#messages + 1] = woken .. ' due' end
  end
end)()
local any_pause = read_clock_and_pauses(meta)
local hold = #moves > 0 and (paused or any_pause) and hold_of(pauses, paused, run_time.member, scopes) or nil
if hold and hold.is_paused and any_begins(moves) then return LOST end

if next_status == 'canceled' then
  --- @include lib/when_full
  write_even_when_full(run)
end
gather()
-- events first, as lib/event_log says
record_events(cursors, append_events(log, new_events), new_events)
write_all(run, run_change)
-- by the clock by which the run was launched, or it could be over before that
if next_status ~= expected_status then set_status(run, runs_by_status, place, next_status, numeral(MICROSECONDS)) end
if ends_debounce then
  forget_debounce(debounces, debounce, run_time.member)
  mutate('HDEL', run, 'debounce')
end
if end_turn_of_run then end_turn_of_run() end
write_all(frames, frame_changes)
write_all(loops, loop_changes)
in_chunks('HSET', executions, changed)
in_chunks('HDEL', executions, left)
in_chunks('HSET', index, kept)
if #ask_changes > 0 then change_asks(asks, ask_changes) end
in_chunks('RPUSH', inputs, new_inputs)
in_chunks('HSET', outputs, records)
if #step_rows > 0 then append_step_rows(steps, step_outputs, index, step_rows) end
for _, row in ipairs(failure_rows) do append_failure_row(failures, index, row) end
for _, row in ipairs(iteration_rows) do append_iteration_once(iterations, index, row) end
if decides then
  if recorded and number_in(recorded) == decided then
    mutate('HSET', run, 'version', numeral(decided + 1), 'recorded', numeral(decided + 1))
  else
    mutate('HSET', run, 'version', numeral(decided + 1))
  end
  -- what was reported since the decision was made takes another one
  if reported > tonumber(reports_seen) and not TERMINAL[next_status] then run_time.at = NOW end
  set_time(due, run_time)
elseif tonumber(new_reports) > 0 then
  mutate('HSET', run, 'reports', numeral(reported + new_reports))
  if not is_in_hand(due, run_time.member) then
    run_time.at = NOW + REPORTED
    set_time(due, run_time)
  end
end
local opened = #moves > 0 and make_moves(ready, queued, lost, gated, gate_times, moves, hold) or {}
count_gathered()

announce_events(log)
announce(runs_channel, run_time.member .. (TERMINAL[next_status] and ' over' or is_soon(run_time) and ' due' or ' changed'))
announce_each(runs_channel, messages)
announce_queues(runs_channel, opened)
return moves.handed_on and 2 or WON  -- 2 is HANDED_ON; a local of this name would exceed the 200 that Lua allows
