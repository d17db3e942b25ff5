-- Store a run that was exported, with all that belongs to it.
--
-- KEYS   due: runs by time; ready, queued, lost: executions (see lib/schedule); limits: how many executions of a role may be
--        under way; gated, gate_times: executions with limits of their own (see lib/gates)
-- ARGV   prefix: of its place among the runs; digest: of the definition; at: when a worker looks at it (ms), '' if it is
--        over; limited, unlimited: roles, as start_run takes them; parts: one list for each of the first ten keys;
--        execution_fields, published_fields: fields and values of these hashes; moves: of executions that wait; new_events: of
--        the run
-- Reply  WON | EXISTS
-- Leaves the run as it was exported, and its events behind all others of the log; nothing if it existed.

--- @include lib/replies
--- @include lib/attributes
--- @include lib/announce
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/schedule
--- @include lib/recorded_events
--- @include lib/event_log

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index executions published meta runs
--- @keys definitions due ready queued lost limits runs_by_status events event_identities events_by_time events_channel
--- @keys cursors channel gated gate_times by_attribute*
--- @args run_id prefix digest definition at limited* unlimited* parts:list* execution_fields* published_fields*
--- @args moves:move* new_events:event*
if run_exists(run, index) then return EXISTS end
if redis.call('HEXISTS', definitions, digest) == 0 then expect_whole('HLEN', definitions) end
expect_sorted_sets(due, ready, queued, gated, gate_times)
expect_hashes(executions, published, limits, lost)
expect_lists(cursors)
read_clock(meta)
local attributes = by_attribute[1] and attributes_of(run, value_of(parts[1], 'attributes')) or {}
if by_attribute[1] then expect_sorted_sets(by_attribute[1]) end

local log = event_log(meta, events, event_identities, events_by_time, events_channel)
-- events first, as lib/event_log says
record_events(cursors, append_events(log, new_events), new_events)
local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
if by_attribute[1] then enter_attributes(meta, by_attribute[1], attributes, run_id) end
in_chunks('HSET', executions, execution_fields)
in_chunks('HSET', published, published_fields)
mutate('HSETNX', definitions, digest, definition)
in_chunks('HSET', limits, limited)
in_chunks('HDEL', limits, unlimited)
if at ~= '' then mutate('ZADD', due, math.max(tonumber(at), NOW), run_id) end
make_moves(ready, queued, lost, gated, gate_times, moves)
announce_events(log)
announce(channel, run_id .. (at ~= '' and ' due' or ' over'))
return WON
