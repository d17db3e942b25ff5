-- Start a run in a conversation: at once if none of its runs is under way, else as `policy` says.
--
-- KEYS   due, limits, tombstone, by_attribute: as in start_debounced; conversing, conversations: see lib/conversations;
--        conversation, items: see lib/conversation_items
-- ARGV   digest: of the definition; run_id: of the run; prefix: of its place among the runs; limited, unlimited: as in
--        start_run; parts: one list for each of the first ten keys; id, id_digest: of the conversation; about: its mob and
--        flow; policy: what to do if it is busy; keep, max_items, max_bytes: '' = as they are, or the default_ ones;
--        most_waiting: runs that may wait
-- Reply  WON (it begins now) | {'waits', id of each run that is before it, the active one first} | EXISTS (it began, or was
--        deleted) | {'flow', mob and flow to which the conversation belongs} | {'busy', id of the active run} | {'full',
--        id of the active run} | {'other'} (the run is there, in another conversation or in none)
--        For a run that exists and waits 'waits' is the reply, too.
-- Leaves the run pending, and due now; one that waits is not due. The conversation does not expire while it is there.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/attributes
--- @include lib/conversations
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/run_start

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs definitions due limits
--- @keys runs_by_status channel tombstone by_attribute conversing conversations conversation items
--- @args launch digest definition run_id prefix limited* unlimited* parts:list* id id_digest about policy keep max_items
--- @args max_bytes default_keep default_items default_bytes most_waiting
local places = beginning_with(conversing, id_digest)

local function before_it()
  local reply = { 'waits' }
  for _, place in ipairs(places) do
    if run_of_place(place) == run_id then break end
    reply[#reply + 1] = run_of_place(place)
  end
  return reply
end

if run_exists(run, index) then
  local status, text, sequence = unpack(redis.call('HMGET', run, 'status', 'conversation', 'sequence'), 1, 3)
  local turn = turn_in(run, text)
  if not turn or turn.digest ~= id_digest then return { 'other' } end
  local place = turn_place(id_digest, number_at(run, 'sequence', sequence), run_id)
  if TERMINAL[status] or turn.letter ~= 'w' or not redis.call('ZSCORE', conversing, place) then return EXISTS end
  return before_it()
end
if redis.call('EXISTS', tombstone) == 1 then return EXISTS end
local owner_flow = redis.call('HGET', conversation, 'about')
if owner_flow and owner_flow ~= about then return { 'flow', owner_flow } end
if #places == 0 then expect_whole('ZCARD', conversing) end
if #places > 0 and policy == 'reject' then return { 'busy', run_of_place(places[1]) } end
if #places > tonumber(most_waiting) then return { 'full', run_of_place(places[1]) } end
expect_sorted_sets(by_attribute, conversations)
local history = history_of(conversation, items)
if #places > 0 and not (history and owner_flow) then damaged(conversation, 'it has lost what is known of it') end
expect_start(meta, definitions, due, limits, digest)
local waits = #places > 0
local attributes = attributes_of(run, value_of(parts[1], 'attributes'))
local sequence = number_at(meta, 'runs') + 1

local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
mutate('HSET', run, 'launch', launch, 'launched_at', launched_at(NOW), 'recorded', numeral(0), 'conversation',
  turn_text(id_digest, waits and 'w' or '-', id))
if #attributes > 0 then enter_attributes(meta, by_attribute, attributes, run_id) end
open_conversation(conversation, items, id, {
  keep = { given = keep, default = default_keep },
  max_items = { given = max_items, default = default_items },
  max_bytes = { given = max_bytes, default = default_bytes },
})
mutate('HSETNX', conversation, 'about', about)
mutate('ZADD', conversing, 0, turn_place(id_digest, sequence, run_id))
hold_conversation({ conversation = conversation, items = items, conversations = conversations }, id)
forget_expired(conversations)
enter_start(definitions, due, limits, channel,
  { digest = digest, definition = definition, begins = NOW, run_id = run_id, limited = limited, unlimited = unlimited,
    waits = waits })
return waits and before_it() or WON
