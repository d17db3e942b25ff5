-- End the turn of a run that is over, or gone. Commits do so; what ends a run otherwise leaves it (decision 0048).
--
-- KEYS   due: runs by time; conversing, conversations: see lib/conversations; conversation, items: see
--        lib/conversation_items
-- ARGV   run_id: of the run; id, id_digest: of the conversation
-- Reply  WON | LOST (the run is under way)
-- Leaves the next run of the conversation due, if it was the turn of this one.

--- @include lib/replies
--- @include lib/announce
--- @include lib/conversations
--- @include lib/run_head

--- @keys run index meta due channel conversing conversations conversation items
--- @args run_id id id_digest
local status = status_of(run, index)
if status and not TERMINAL[status] then return LOST end
local found
for _, place in ipairs(beginning_with(conversing, id_digest)) do
  if run_of_place(place) == run_id then found = place end
end
if not found then
  expect_whole('ZCARD', conversing)
  return WON
end
local keys = { conversing = conversing, conversations = conversations, conversation = conversation, items = items }
local turn = turn_in(run, redis.call('HGET', run, 'conversation')) or { digest = id_digest, letter = '-', id = id }
expect_conversation(keys)
expect_sorted_sets(due)
read_clock(meta)

local woken = end_turn(keys, due, turn, found)
if woken then announce(channel, woken .. ' due') end
return WON
