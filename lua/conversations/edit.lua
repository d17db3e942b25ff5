-- Change the history of a conversation from outside of its runs; one that is new is created.
--
-- KEYS   conversing, conversations: see lib/conversations; conversation, items: see lib/conversation_items
-- ARGV   id, id_digest: of the conversation; kind: append, pop or clear; keep, max_items, max_bytes: '' = as they are, or
--        the default_ ones; texts, sizes: what is appended, and how many bytes of JSON each item is
-- Reply  {text of the item that was popped, or ''} | LONG (an item is longer than all may be)
-- Leaves the change done; a conversation without a run under way expires anew.

--- @include lib/arguments
--- @include lib/conversations

local LONG = -5

--- @keys meta conversing conversations conversation items
--- @args id id_digest kind keep max_items max_bytes default_keep default_items default_bytes texts* sizes*
local is_active = beginning_with(conversing, id_digest, 1)[1]
if not is_active then expect_whole('ZCARD', conversing) end
expect_sorted_sets(conversations)
expect_hashes(conversation)
local history = history_of(conversation, items, kind == 'clear')
if is_active and not history then damaged(conversation, 'it is gone, and has a run under way') end
-- bounds that are given hold from now on, for what is appended here too
local most_bytes = max_bytes ~= '' and tonumber(max_bytes) or history and history.max_bytes or tonumber(default_bytes)
if any_too_long(most_bytes, sizes) then return LONG end
read_clock(meta)

if history and kind ~= 'append' then
  --- @include lib/when_full
  write_even_when_full(conversation)
end
open_conversation(conversation, items, id, {
  keep = { given = keep, default = default_keep },
  max_items = { given = max_items, default = default_items },
  max_bytes = { given = max_bytes, default = default_bytes },
})
local popped = change_items(conversation, items, kind, '', '0', texts, sizes)
local keys = { conversation = conversation, items = items, conversations = conversations }
if not is_active then expire_conversation(keys, id, number_at(conversation, 'keep')) end
forget_expired(conversations)
return { popped }
