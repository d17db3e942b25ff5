-- Conversations: which of their runs are under way, and in which order. `conversing` is a sorted set in lexical order with a
-- member for each run that is not over: digest of the conversation's id, number of the run's creation (16 digits), its id.
-- The first one of a digest is active, the others wait for their turn (decision 0048).
-- A run has in its field `conversation` that digest, a letter, the id of the conversation, and a line feed. The letter is 'w'
-- while the run waits for its turn, 'r' if its items are taken back when it ends, else '-'.
-- `conversations` has the ids by the time at which each expires (ms), '+inf' while a run is under way.

--- @include lib/chunks
--- @include lib/conversation_items
--- @include lib/counters
--- @include lib/fleet_clock
--- @include lib/key_types
--- @include lib/lexical_order

-- what the field of a run says, nil of a run without a conversation
local function turn_in(run, text)
  if not text then return nil end
  local digest, letter, id = string.match(text, '^(%x+)([-rw])(.*)\n$')
  if not digest or #digest ~= 32 then
    --- @include lib/damage
    damaged(run, 'its conversation cannot be read: ' .. string.sub(text, 1, 60))
  end
  return { digest = digest, letter = letter, id = id }
end

local function turn_text(digest, letter, id)
  return digest .. letter .. id .. '\n'
end

local function turn_place(digest, sequence, run_id)
  return digest .. string.format('%016d', sequence) .. run_id
end

local function run_of_place(place)
  return string.sub(place, -36)
end

-- The keys of a conversation where a script takes them as a list, as one that only some runs have; the loader has counted
-- those alone that have a name.
local function conversation_keys(list, meta)
  count_fields = count_fields or {}
  count_fields[list[1]] = 'n:conversing'
  owners = owners or {}
  owners[list[1]] = meta
  return { conversing = list[1], conversations = list[2], conversation = list[3], items = list[4] }
end

-- all checks that come before `end_turn`
local function expect_conversation(keys)
  expect_sorted_sets(keys.conversing, keys.conversations)
  expect_hashes(keys.conversation)
  keys.history = history_of(keys.conversation, keys.items)
end

-- Ends the turn of a run that is over. If it was the active one, the next one is due, and its id is returned, of which the
-- caller tells; if it was the last one, the conversation expires from now on.
local function end_turn(keys, due, turn, place)
  local first, second = unpack(beginning_with(keys.conversing, turn.digest, 2))
  if not first then return nil end
  local is_active = first == place
  local history = keys.history
  if history and turn.letter == 'r' then take_back_run(keys.conversation, keys.items, run_of_place(place)) end
  mutate('ZREM', keys.conversing, place)
  if is_active and not second then expire_conversation(keys, turn.id, history and history.keep) end
  if not is_active or not second then return nil end
  mutate('ZADD', due, decimal(NOW), run_of_place(second))
  return run_of_place(second)
end
