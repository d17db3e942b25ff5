-- Delete a run that is over. It is gone at once, with all its keys; what stands elsewhere goes in steps after that.
--
-- KEYS   cursors: which events are those of the run; deleted_cursors: the key to which that is renamed; deletion: what is left
--        to be done for this run; deletions: the runs for which something is left to be done; tombstone: while it is there,
--        the id cannot be given to a new run; gated: executions with limits (see lib/gates)
-- ARGV   place: of the run among the runs, '' if they have lost it; ended: identity of its terminal event; since: from when
--        on it can have events, as text that sorts, '' if that is not known; keep: how long the id is kept (ms), '' = it is free at once; about:
--        what the caller will need to know; entries: how its entries in the schedule begin; limited: those with limits; queues: in which its
--        executions have waited; turn: what `turns` has for the run
-- Reply  WON (the run is gone, or was, and its deletion is not at its end) | LOST (it is not over) | NOT_FOUND | AGAIN (a run
--        that had its id is still being deleted) | MOVED (its place is another one) | UNTOLD (its parent does not know its end)
-- Leaves the run unknown and its id free, and a record of what else is to go. As many runs count as lost, so that no
--        release takes it for damage.

--- @include lib/announce
--- @include lib/arguments
--- @include lib/attributes
--- @include lib/chunks
--- @include lib/fleet_clock
--- @include lib/counters
--- @include lib/debounces
--- @include lib/gates
--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/replies
--- @include lib/run_head
--- @include lib/run_index
--- @include lib/when_full

local AGAIN, MOVED, UNTOLD = -5, -6, -7

-- members of the schedule that one run can have there once it is over: none, but for what damage has left
local MOST_LEFT = 100

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index executions published progress
--- @keys cursors deletion deleted_cursors tombstone meta runs due ready queued lost turns deletions event_identities
--- @keys events_by_time channel runs_by_status by_attribute gated debounces
--- @args run_id place ended since keep about entries* limited* queues* turn
local status = status_of(run, index)
local is_begun = redis.call('HLEN', deletion) > 0
if not status then return is_begun and WON or NOT_FOUND end
if is_begun then return AGAIN end
if not TERMINAL[status] then return LOST end
if place ~= '' and not redis.call('ZSCORE', runs, place) then return MOVED end

local launch, decided, recorded, attributes, sequence, parent, told, debounce = unpack(redis.call('HMGET', run, 'launch',
  'version', 'recorded', 'attributes', 'sequence', 'parent', 'told', 'debounce'), 1, 8)
if parent and not told then return UNTOLD end
local newest, gone_before = number_at(meta, 'cursor'), number_at(meta, 'runs_lost')
local last = redis.call('HGET', event_identities, ended)
local is_recorded = launch and recorded and number_in(recorded) == number_at(run, 'version', decided)
local has_failed = redis.call('LLEN', failures) > 0
expect_sorted_sets(due, ready, queued, runs_by_status, by_attribute, gated)
expect_hashes(lost, turns, deletions)
if debounce then expect_hashes(debounces) end
expect_lists(cursors, deleted_cursors)

-- the cursor before the first event from a time on
local function cursor_before(order)
  if order == '' then return 0 end
  local first = redis.call('ZRANGE', events_by_time, '[' .. order, '+', 'BYLEX', 'LIMIT', 0, 1)[1]
  local cursor = first and number_in(string.match(first, ':(%d+)$') or '')
  return cursor and cursor - 1 or newest
end

local left, bare = {}, {}
for _, entry in ipairs(entries) do
  for _, before in ipairs({ 'w', 's', 'o', 'l', 'pr' .. run_id }) do
    for _, member in ipairs(beginning_with(queued, before .. entry, MOST_LEFT)) do
      left[#left + 1], bare[#bare + 1] = member, string.sub(member, #before + 1)
    end
  end
end
read_clock(meta)
-- entries with limits are known as they are
local not_gated, freed, opened = {}, {}, {}
for _, entry in ipairs(limited) do
  uncount(gated, lane_of(entry), entry, not_gated, freed)
  not_gated[#not_gated + 1], not_gated[#not_gated + 2] = 'v' .. entry, 't' .. entry
  for _, before in ipairs({ 'w', 's', 'o', 'l', 'pr' .. run_id }) do left[#left + 1] = before .. entry end
  bare[#bare + 1] = entry
end
local record = { 'about', about, 'newest', decimal(newest) }
local function note(name, value)
  record[#record + 1], record[#record + 2] = name, value
end
if not is_recorded then
  -- a release that did not record them has written events of the run, or a caller has
  note('at', decimal(cursor_before(since)))
  note('last', launch and last and string.match(last, '%d+') or decimal(newest))
  if has_failed or not launch then note('identities', '0') end
end
local has_turn = {}
for _, queue in ipairs(queues) do
  if redis.call('HGET', turns, queue) == turn then has_turn[#has_turn + 1] = queue end
end
local has_cursors = redis.call('EXISTS', cursors) == 1
-- of attributes that cannot be read, and of an older release that has deleted the run, places are left, which a list that
-- comes upon them forgets
local attributed = places_of(attributes_in(attributes) or {},
  string.format('%016d', number_in(sequence or '') or 0) .. run_id)

write_even_when_full(meta)
mutate('HSET', deletion, unpack(record))
mutate('HSET', deletions, run_id, numeral_now())
if keep ~= '' then
  mutate('HSET', tombstone, 'at', numeral_now())
  mutate('PEXPIRE', tombstone, keep)
end
if place ~= '' then mutate('HSET', meta, 'runs_lost', decimal(gone_before + 1)) end
if has_cursors then mutate('RENAME', cursors, deleted_cursors) end
if last then mutate('RPUSH', deleted_cursors, 'e' .. (string.match(last, '%d+') or '0') .. ' 1') end
mutate('UNLINK', run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index, executions,
  published, progress)
if place ~= '' then
  mutate('ZREM', runs, place)
  mutate('ZREM', runs_by_status, unpack(other_places(nil, string.sub(place, -END_OF_PLACE))))
end
if #attributed > 0 then
  know_attributed(meta, number_attributed(meta) - #attributed)
  remove_places(by_attribute, attributed)
end
mutate('ZREM', due, run_id)
-- one that came to its end without a fleet has it still
if debounce then forget_debounce(debounces, debounce, run_id) end
if last then mutate('HDEL', event_identities, ended) end
if #has_turn > 0 then in_chunks('HDEL', turns, has_turn) end
if #left > 0 then
  in_chunks('ZREM', queued, left)
  in_chunks('ZREM', ready, bare)
  in_chunks('HDEL', lost, bare)
  in_chunks('ZREM', gated, not_gated)
  pass_all_on(gated, freed, opened)
end
announce(channel, run_id .. ' over')
announce_queues(channel, opened)
return WON
