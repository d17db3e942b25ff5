-- The history of a conversation. Its hash has its id, its mob and flow, its bounds, how long it is kept after the last
-- activity ('keep', in ms), the number of the last item that it ever got ('last'), how many items it has ('length') and how
-- many bytes ('bytes'). `items` is a stream, whose ids are 0-<number>: who appended an item ('by': a run and its execution, '' for
-- others), in which change of that execution ('change'), when ('at'), the item itself ('item'), and how many bytes its JSON
-- has ('size'), where it is stored in another form.

--- @include lib/clock
--- @include lib/counters
--- @include lib/damage
--- @include lib/fleet_clock
--- @include lib/mutate

-- items that are looked at in one go
local ITEMS_AT_ONCE = 100

-- an entry of the stream: its fields stand in the order in which they were written
local function item_in(entry)
  local text, size = entry[2][8], entry[2][10]
  return { id = entry[1], by = entry[2][2], change = tonumber(entry[2][4]), text = text, size = tonumber(size or #text) }
end

local NUMBERS = { 'keep', 'max_items', 'max_bytes', 'last', 'length', 'bytes' }

-- The numbers of a history by their names, nil if there is none. One that has lost something is told: this is read before
-- anything is written. With `is_cleared` it may have lost items, since the script deletes all of them.
local function history_of(conversation, items, is_cleared)
  local length = redis.call('XLEN', items)
  local id, texts = redis.call('HGET', conversation, 'id'), redis.call('HMGET', conversation, unpack(NUMBERS))
  if not id then
    if redis.call('HLEN', conversation) > 0 then damaged(conversation, 'it has no id') end
    return nil
  end
  local history = {}
  for i, name in ipairs(NUMBERS) do
    if not texts[i] then damaged(conversation, 'it has no field ' .. name) end
    history[name] = number_at(conversation, name, texts[i])
  end
  if history.length ~= length and not is_cleared then
    damaged(items, 'it has ' .. decimal(length) .. ' items, and should have ' .. decimal(history.length))
  end
  return history
end

local function set_size(conversation, items, bytes)
  mutate('HSET', conversation, 'bytes', numeral(math.max(bytes, 0)), 'length', numeral(redis.call('XLEN', items)))
end

-- takes out all items of which this is true
local function take_back(conversation, items, is_wanted)
  local bytes, from = number_at(conversation, 'bytes'), '-'
  repeat
    local page = redis.call('XRANGE', items, from, '+', 'COUNT', ITEMS_AT_ONCE)
    local gone = {}
    for _, entry in ipairs(page) do
      local item = item_in(entry)
      if is_wanted(item) then
        gone[#gone + 1] = item.id
        bytes = bytes - item.size
      end
      from = '(' .. item.id
    end
    if #gone > 0 then mutate('XDEL', items, unpack(gone)) end
  until #page < ITEMS_AT_ONCE
  set_size(conversation, items, bytes)
end

local function take_back_run(conversation, items, run_id)
  take_back(conversation, items, function(item) return string.sub(item.by, 1, 36) == run_id end)
end

-- what an earlier attempt of an execution has appended in this change of it, and in those that followed
local function take_back_changes(conversation, items, by, change)
  take_back(conversation, items, function(item) return item.by == by and item.change >= change end)
end

-- appends these, and drops the oldest where there are too many, or too many bytes
local function append_items(conversation, items, by, change, texts, sizes)
  local history = history_of(conversation, items)
  local number, bytes, most, most_bytes = history.last, history.bytes, history.max_items, history.max_bytes
  local newest = redis.call('XREVRANGE', items, '+', '-', 'COUNT', 1)[1]
  if newest then number = math.max(number, tonumber(string.match(newest[1], '%d+$'))) end
  for i, text in ipairs(texts) do
    number = number + 1
    bytes = bytes + sizes[i]
    local fields = { 'by', by, 'change', change, 'at', now(), 'item', text }
    if sizes[i] ~= decimal(#text) then fields[9], fields[10] = 'size', sizes[i] end
    mutate('XADD', items, '0-' .. decimal(number), unpack(fields))
  end
  local length = redis.call('XLEN', items)
  while length > most or bytes > most_bytes do
    local gone = {}
    for _, entry in ipairs(redis.call('XRANGE', items, '-', '+', 'COUNT', ITEMS_AT_ONCE)) do
      if length <= most and bytes <= most_bytes then break end
      local item = item_in(entry)
      gone[#gone + 1] = item.id
      length, bytes = length - 1, bytes - item.size
    end
    if #gone == 0 then break end
    mutate('XDEL', items, unpack(gone))
  end
  mutate('HSET', conversation, 'last', numeral(number))
  set_size(conversation, items, bytes)
end

-- takes out the newest item and returns its text, '' if there is none
local function pop_item(conversation, items)
  local newest = redis.call('XREVRANGE', items, '+', '-', 'COUNT', 1)[1]
  if not newest then return '' end
  local item = item_in(newest)
  mutate('XDEL', items, item.id)
  set_size(conversation, items, number_at(conversation, 'bytes') - item.size)
  return item.text
end

-- Does what a handler, or another program, asks for, and returns the text of the item that was popped, else ''. The greatest
-- number stays, so that no number is given twice.
local function change_items(conversation, items, kind, by, change, texts, sizes)
  if kind == 'append' then
    append_items(conversation, items, by, change, texts, sizes)
  elseif kind == 'pop' then
    return pop_item(conversation, items)
  else
    mutate('UNLINK', items)
    set_size(conversation, items, 0)
  end
  return ''
end

-- A conversation that is there, or a new one with these bounds; '' = as it is, or the default.
local function open_conversation(conversation, items, id, bounds)
  if redis.call('EXISTS', conversation) == 0 then
    mutate('UNLINK', items)  -- of one that was lost
    local none = numeral(0)
    mutate('HSET', conversation, 'id', id, 'last', none, 'length', none, 'bytes', none)
  end
  for name, bound in pairs(bounds) do
    if bound.given ~= '' then
      mutate('HSET', conversation, name, numeral(tonumber(bound.given)))
    else
      mutate('HSETNX', conversation, name, numeral(tonumber(bound.default)))
    end
  end
end

-- whether an item is longer than all of them may be together
local function any_too_long(most, sizes)
  for _, size in ipairs(sizes) do
    if tonumber(size) > most then return true end
  end
  return false
end

-- ids that expired more than a day ago leave the list, a few in each call
local FORGOTTEN_AFTER, MOST_FORGOTTEN = 86400000, 10

local function forget_expired(conversations)
  local before = '(' .. decimal(math.max(NOW - FORGOTTEN_AFTER, 0))
  local gone = redis.call('ZRANGE', conversations, '-inf', before, 'BYSCORE', 'LIMIT', 0, MOST_FORGOTTEN)
  if #gone > 0 then mutate('ZREM', conversations, unpack(gone)) end
end

local function expire_conversation(keys, id, keep)
  if not keep then return end
  mutate('PEXPIRE', keys.conversation, decimal(keep))
  mutate('PEXPIRE', keys.items, decimal(keep))
  mutate('ZADD', keys.conversations, decimal(NOW + keep), id)
end

local function hold_conversation(keys, id)
  mutate('PERSIST', keys.conversation)
  mutate('PERSIST', keys.items)
  mutate('ZADD', keys.conversations, '+inf', id)
end
