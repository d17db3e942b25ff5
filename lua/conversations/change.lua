-- Change the history of a conversation, for a worker that still executes what it changes it for: once, however often the
-- handler runs.
--
-- KEYS   conversation, items: see lib/conversation_items
-- ARGV   field, expected: the execution, and its record as the worker claimed it; name: of the change, in the index of the run;
--        by, number: the execution and the number of the change within it; identity: what is equal for equal changes; kind:
--        append, pop or clear; id: of the conversation; keep, max_items, max_bytes: of one that was lost; most: records that
--        the index may have; texts, sizes: what is appended, and how many bytes of JSON each item is
-- Reply  {text of the item that was popped, or ''} | LOST (the worker does not hold the execution) | CONFLICT (the index is
--        full) | LONG (an item is longer than all may be) | NOT_FOUND
-- Leaves the change done, and its record in the index. One that was made is not repeated; another one in its place takes
--        back what the execution has appended there and behind it.

--- @include lib/replies
--- @include lib/arguments
--- @include lib/compare
--- @include lib/conversation_items
--- @include lib/key_types
--- @include lib/run_head

local LONG = -5

--- @keys run index executions conversation items
--- @args field expected name by number identity kind id keep max_items max_bytes most texts* sizes*
if not run_exists(run, index) then return NOT_FOUND end
if not is_as_read(executions, expected, redis.call('HGET', executions, field)) then return LOST end
local made = redis.call('HGET', index, name)
if made then
  local known, popped = string.match(made, '^(%x+) (.*)\n$')
  if not known then
    --- @include lib/damage
    damaged(index, 'the record of a change of the conversation was cut short')
  end
  if known == identity then return { popped } end
else
  expect_whole('HLEN', index)
  if redis.call('HLEN', index) >= tonumber(most) then return CONFLICT end
end
expect_hashes(conversation)
local history = history_of(conversation, items)
if any_too_long(history and history.max_bytes or tonumber(max_bytes), sizes) then return LONG end

if history and kind ~= 'append' then
  --- @include lib/when_full
  write_even_when_full(conversation)
end
open_conversation(conversation, items, id, {
  keep = { given = '', default = keep },
  max_items = { given = '', default = max_items },
  max_bytes = { given = '', default = max_bytes },
})
if made then take_back_changes(conversation, items, by, tonumber(number)) end
local popped = change_items(conversation, items, kind, by, number, texts, sizes)
mutate('HSET', index, name, identity .. ' ' .. popped .. '\n')
return { popped }
