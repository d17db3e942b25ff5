-- Delete a conversation with its history.
--
-- KEYS   conversing, conversations: see lib/conversations; conversation, items: see lib/conversation_items
-- ARGV   id, id_digest: of the conversation
-- Reply  WON | NOT_FOUND | {id of the run that is under way}
-- Leaves nothing of it; nothing is changed while a run is under way.

--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/mutate
--- @include lib/replies
--- @include lib/when_full

--- @keys meta conversing conversations conversation items
--- @args id id_digest
local active = beginning_with(conversing, id_digest, 1)[1]
if active then return { string.sub(active, -36) } end
expect_whole('ZCARD', conversing)
expect_sorted_sets(conversations)
if redis.call('EXISTS', conversation, items) == 0 and not redis.call('ZSCORE', conversations, id) then return NOT_FOUND end

write_even_when_full(meta)
mutate('UNLINK', conversation, items)
mutate('ZREM', conversations, id)
return WON
