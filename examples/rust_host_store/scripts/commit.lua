-- Runs an operation once in its session: when it is sent again, because the reply was lost, it answers the first reply.
-- connection/calls/scripts.py puts every script that writes in the place of the operation.
-- Numbers and receipts: decision 0015. Epochs: decision 0017. Ends that are no reply: decision 0018.
--
-- KEYS   last two: meta, session
-- ARGV   last five: slot, sequence number of the call in its slot, the number of the last call that was answered and
--        recorded there (or, of a call in another slot, that slot, a colon and its number; 0:0 = none was), epoch that the
--        client knows (- = none), milliseconds that the session is to live from now on ('' = it is not to be prolonged)
-- Reply  that of the operation | {RECEIPT, the first reply as the protocol spells it} | {UNRECORDED, the reply}: it
--        wrote nothing, and the server refused the receipt | an error:
--        PARTIAL, number of writes, command and key of the next one (- - = none), what failed: it ended half-way
--        REFUSED, what failed: the operation did nothing, and never will under this number
--        FENCED: nothing was done; the call was given up, or a later one of the slot was here before
--        EPOCH, epoch of the namespace: nothing was done; the client knows another epoch, or the namespace gets a new
--        one because a receipt is gone that was answered
--        UNREADABLE, what is wrong: nothing was done by this attempt; the session is no hash, or holds a receipt that was
--        cut short, so that it cannot be known what earlier attempts did
--        any other: nothing was done by this attempt, and nothing is known of earlier ones
-- Leaves the receipt of the last call of the slot, until the session has been idle for its time to live.

-- while a backup is made, each call of the server goes through lib/change_tracking
local redis = redis

-- Every write of a script goes through here and is counted, so that a script that ends in an error knows whether it had
-- an effect before: only without one may its caller be told that nothing happened. Reads use redis.call.

-- How much is in each key that holds records. Its owner, the hash of the run or that of the namespace, counts it in the
-- field 'n:<name>', from what each write has added or removed. Only an operator who accepts a loss has a key measured to
-- set its count: that hides damage (decision 0019). The loader tells which keys of a script are counted, and where
-- (connection/calls/headers.py).

-- the field that counts the records of a key, and the key that has the field: `owner`, but for those that have another one
local count_fields, owner, owners

-- the changes by key, while lib/gathering gathers them
local gathered

local function count(key, change)
  if gathered then
    gathered[key] = (gathered[key] or 0) + change
    return
  end
  local reply = redis.pcall('HINCRBY', owners and owners[key] or owner, count_fields[key], change)
  if type(reply) ~= 'table' or not reply.err then return end
  -- a count that is no number, or too great for one, stays as it is, since other writes have happened already: reads
  -- tell of it
  if string.find(reply.err, 'not an integer', 1, true) or string.find(reply.err, 'overflow', 1, true) then return end
  error(reply)
end

-- The caller has not found what it looked for: that is true only if the key still holds all that was counted. More may
-- be there, written by other programs. A run or namespace of an older release has no counts.
local function expect_whole(measure, key)
  local owner_of_key, field = owners and owners[key] or owner, count_fields[key]
  local counts = redis.call('HMGET', owner_of_key, 'counted', field)
  if not counts[1] then return end
  -- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.
  
  local function damaged(key, what)
    error('DAMAGED ' .. key .. ' ' .. what, 0)
  end
  
  -- How many records a key of lib/counts holds, beside its count.
  
  -- how many records a key holds; `measure` is the command that tells it of keys of its type
  local function size_of(measure, key)
    if key ~= (owners and owners[key] or owner) then return redis.call(measure, key) end
    -- a hash that counts its own records does not count the counts
    local found = 0
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.sub(field, 1, 2) ~= 'n:' then found = found + 1 end
    end
    return found
  end
  
  -- the number that a count stands for, nil if it is none: what HINCRBY makes has at most 19 digits
  local function count_in(text)
    local digits = string.match(text, '^%-?(%d+)$')
    return digits and #digits <= 19 and tonumber(text) or nil
  end
  
  local found, counted = size_of(measure, key), counts[2] or '0'
  local number = count_in(counted)
  if not number then
    damaged(owner_of_key, 'its field ' .. field .. ' is no number: ' .. string.sub(counted, 1, 40))
  end
  if found < number then
    damaged(key, found .. ' of ' .. counted .. ' records are there')
  end
end


local mutations = 0
local attempted, attempted_on  -- command and key of the write that has not returned

local function mutate(command, key, ...)
  attempted, attempted_on = command, key
  local reply = redis.call(command, key, ...)
  attempted = nil
  mutations = mutations + 1
  -- What a write has added or removed is counted; one that answers 0 has done neither. The event log counts its own XADD.
  if reply ~= 0 and count_fields and count_fields[key] then
    if command == 'RPUSH' then
      count(key, select('#', ...))
    elseif command == 'HSET' or command == 'HSETNX' or command == 'ZADD' or command == 'SADD' then
      count(key, reply)
    elseif command == 'HDEL' or command == 'ZREM' or command == 'SREM' or command == 'XDEL' then
      count(key, -reply)
    elseif command == 'HINCRBY' then
      if reply == 1 then count(key, 1) end  -- counters begin at 1
    elseif command ~= 'XADD' and command ~= 'DEL' and command ~= 'UNLINK' then
      error(command .. ' is not counted', 0)
    end
  end
  return reply
end


local session, meta = KEYS[#KEYS], KEYS[#KEYS - 1]
local slot, sequence, answered, epoch, time_to_live = unpack(ARGV, #ARGV - 4)

local function operation()
-- Commit a batch: what it does to each of its scopes, all or nothing.
--
-- ARGV   commit: its id; digest: of what it says; fence: the token of its writer; kept: how many commits are remembered;
--        updates: of each scope its field, the version that it has ('' = it is created), its head ('' = the same), the
--        index from which on rows are removed, and the one below which they are ('' = none), 1 if it is deleted, how many
--        rows are appended, and these
-- Reply  {WON} | {LOST} (it was committed before) | {EXISTS} (another batch was, under this id) | {FENCED, current token} |
--        {CONFLICT, number of an update, version of its scope, 0 = there is none} | {GONE, number of an update} (a scope of
--        this name was deleted) | {DROPPED, number of an update, index of the first visible row} (rows that were dropped
--        would come back)
-- Leaves every scope at its next version, and the id remembered; nothing when not won.

-- ARGV, read from front to back: a value, or a count and that many values. Documents stay as they are (decision 0003).

-- How many values are passed on at once: unpack stops at 7,999.

local CHUNK = 4000


local position = 0

local function take()
  position = position + 1
  return ARGV[position]
end

-- a count, and that many records as `take_record` reads them
local function take_each(take_record)
  local records, count = {}, tonumber(take())
  if count > #ARGV then error('a count of ' .. count .. ' records is greater than there are arguments') end
  for i = 1, count do
    records[i] = take_record()
  end
  return records
end

local function take_list()
  local first, last = position + 2, position + 1 + ARGV[position + 1]
  position = last
  if last > #ARGV then error('a list goes on behind the last argument') end
  if last - first < CHUNK then return { unpack(ARGV, first, last) } end
  local values = {}
  for at = first, last do values[at - first + 1] = ARGV[at] end
  return values
end

-- One write over many values, which are passed on in chunks: a script must not fail half-way.




-- writes the values from `first` to `last`, all of them if these are not given, and returns the last reply
local function in_chunks(command, key, values, first, last)
  local reply
  last = last or #values
  for at = first or 1, last, CHUNK do
    reply = mutate(command, key, unpack(values, at, math.min(at + CHUNK - 1, last)))
  end
  return reply
end

-- Gathers how a script changes the counts of lib/counts, and writes them together: for one that writes several keys, or one
-- of them several times. Where it ends half-way, lib/session writes what was gathered.

local function gather()
  gathered = {}
end

-- Some counts of one owner are written together, which takes fewer commands from three on. One that HINCRBY would refuse, or
-- that is no exact number in Lua, is left to it.
local function count_together(owner_of_keys, keys, changes)
  local fields, written = {}, {}
  for i, key in ipairs(keys) do fields[i] = count_fields[key] end
  local counts = redis.call('HMGET', owner_of_keys, unpack(fields))
  for i, key in ipairs(keys) do
    local text = counts[i] or '0'
    if #text < 15 and (text == '0' or string.find(text, '^%-?[1-9]%d*$')) then
      written[#written + 1], written[#written + 2] = fields[i], string.format('%d', text + changes[key])
    else
      count(key, changes[key])
    end
  end
  if #written > 0 then redis.call('HSET', owner_of_keys, unpack(written)) end
end

local function count_gathered()
  local changes, keys_of = gathered, {}
  gathered = nil
  for key, change in pairs(changes) do
    if change ~= 0 then
      local owner_of_key = owners and owners[key] or owner
      local keys = keys_of[owner_of_key] or {}
      keys_of[owner_of_key], keys[#keys + 1] = keys, key
    end
  end
  for owner_of_keys, keys in pairs(keys_of) do
    if #keys < 3 then
      for _, key in ipairs(keys) do count(key, changes[key]) end
    else
      count_together(owner_of_keys, keys, changes)
    end
  end
end

-- The fence of a host store: the highest token that was given, until when its holder counts as live, in milliseconds of the
-- fleet's clock, and how many commits there were.

-- Numbers in fields of hashes. Counters are read first and written with HSET: HINCRBY would refuse one that is no number
-- when other writes have happened already.
-- A number that stands alone, and is not counted on by older releases, is written between a space and a line feed, so
-- that one which was cut short is not taken for another one.

-- numbers of Lua are exact up to 15 digits
local MOST_DIGITS = 15

-- the number that a text stands for, nil if it is none
local function number_in(text)
  local digits = string.match(text, '^ (%d+)\n$') or string.match(text, '^%d+$')
  return digits and #digits <= MOST_DIGITS and tonumber(digits) or nil
end

-- The number in a field, 0 if there is no such field. `text` is what stands there if that was read already, false for
-- nothing.
local function number_at(key, field, text)
  if text == nil then text = redis.call('HGET', key, field) end
  if not text then return 0 end
  local number = number_in(text)
  if not number then
    -- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.
    
    local function damaged(key, what)
      error('DAMAGED ' .. key .. ' ' .. what, 0)
    end
    
    damaged(key, 'its field ' .. field .. ' is no number: ' .. string.sub(text, 1, 40))
  end
  return number
end

-- a count as decimal text, however great it is
local function decimal(count)
  return string.format(count < 1e15 and '%d' or '%.0f', count)  -- the first one is the faster
end

local function numeral(number)
  return ' ' .. decimal(number) .. '\n'
end


-- The time of the fleet: the server's clock, but never earlier than it was. When the clock is set back, or a failover leads
-- to a host whose clock is behind, all delays and leases would last that much longer; so the difference is added from then
-- on (see lib/clock_keeping). A field that cannot be read counts as 0, and is set again. It measures; events tell the time of
-- the server (decision 0022).

-- The server's clock, the only one there is: microseconds since 1970 as decimal text.

local time  -- it stands still while a script runs



-- as lib/counters marks numbers that stand alone; it has more digits than a number of Lua




-- in milliseconds, and in microseconds; see read_clock
local NOW, MICROSECONDS

-- a number of `meta` that is set again when it is lost


-- in microseconds


-- asked for once, since a commit may set the times of thousands of executions



-- token, end of the lease and number of commits; 0 for each if no token was ever given
local function fence_at(key)
  local fields = redis.call('HMGET', key, 'token', 'until', 'commits')
  if not (fields[1] and fields[2] and fields[3]) then expect_whole('HLEN', key) end
  return number_at(key, 'token', fields[1]), number_at(key, 'until', fields[2]), number_at(key, 'commits', fields[3])
end

-- The scopes of a host store. A record is 'version start end commit\n': its visible rows are those from `start` to before
-- `end`. The field of a scope is a letter for its kind, and its name, which has no control characters.



-- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.

local function damaged(key, what)
  error('DAMAGED ' .. key .. ' ' .. what, 0)
end


-- how many bytes of heads or rows one reply has, but for the last of them
local PAGE = 8 * 1024 * 1024

local function record_of(key, field, text)
  local version, first, last, commit = string.match(text, '^(%d+) (%d+) (%d+) ([^\n]+)\n$')
  if not version then damaged(key, 'its record of scope ' .. string.sub(field, 1, 40) .. ' cannot be read') end
  return { version = tonumber(version), first = tonumber(first), last = tonumber(last), commit = commit }
end

-- the record of a scope, nil if there is none
local function scope_at(key, field)
  local text = redis.call('HGET', key, field)
  if not text then
    expect_whole('HLEN', key)
    return nil
  end
  return record_of(key, field, text)
end

local function scope_text(scope)
  return decimal(scope.version) .. ' ' .. decimal(scope.first) .. ' ' .. decimal(scope.last) .. ' ' .. scope.commit .. '\n'
end



local function row_field(field, index)
  return field .. '\0' .. decimal(index)
end

-- The reply codes that all scripts share; redis_mob/connection/calls/replies.py gives them their meaning.

local WON = 1
local LOST = 0
local NOT_FOUND = -1
local EXISTS = -2
local CONFLICT = -3
local NO_STEP = -4


local FENCED, GONE, DROPPED = 2, 3, 4
-- how many ids one commit forgets at most; it adds fewer, but for those of scopes that it deletes
local FORGOTTEN = 100

local function take_update()
  return {
    field = take(),
    previous = tonumber(take()),
    head = take(),
    truncate = tonumber(take()),
    drop = tonumber(take()),
    deletes = take() == '1',
    append = take_list(),
  }
end

local meta, host_fence, host_scopes, host_heads, host_names, host_rows, host_commits, host_order = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8] count_fields, owner = { [host_fence] = 'n:host_fence', [host_scopes] = 'n:host_scopes', [host_heads] = 'n:host_heads', [host_names] = 'n:host_names', [host_rows] = 'n:host_rows', [host_commits] = 'n:host_commits', [host_order] = 'n:host_order' }, meta
local commit, digest, fence, kept, updates = take(), take(), take(), take(), take_each(take_update)
local landed = redis.call('HGET', host_commits, commit)
if landed and not string.find(landed, '^%x+\n$') then damaged(host_commits, 'commit ' .. commit .. ' cannot be read') end
if landed then return { landed == digest .. '\n' and LOST or EXISTS } end
expect_whole('HLEN', host_commits)
local token, _, commits = fence_at(host_fence)
if token ~= tonumber(fence) then return { FENCED, token } end
-- keys of another type refuse this before the first write
expect_whole('HLEN', host_heads)
expect_whole('HLEN', host_rows)
expect_whole('ZCARD', host_names)
expect_whole('ZCARD', host_order)

for number, update in ipairs(updates) do
  local scope = scope_at(host_scopes, update.field)
  if (scope and scope.version) ~= update.previous then return { CONFLICT, number, scope and scope.version or 0 } end
  if not scope and redis.call('ZSCORE', host_order, 'd' .. update.field) then return { GONE, number } end
  if scope and update.truncate and update.truncate < scope.first then return { DROPPED, number, scope.first } end
  update.scope = scope
end

-- What is added comes before what is removed: no key is touched again that may have become empty.
local records, heads, places, rows, order = {}, {}, {}, {}, {}
local gone, gone_rows = {}, {}
commits = commits + 1

local function remove_rows(field, first, last)
  for index = first, last - 1 do gone_rows[#gone_rows + 1] = row_field(field, index) end
end

for _, update in ipairs(updates) do
  local field, before = update.field, update.scope or { first = 0, last = 0 }
  if update.deletes then
    gone[#gone + 1] = field
    remove_rows(field, before.first, before.last)
    order[#order + 1], order[#order + 2] = commits, 'd' .. field
  else
    local from = math.min(update.truncate or before.last, before.last)
    local first = math.min(math.max(before.first, update.drop or 0), from)
    local last = from + #update.append
    for i, row in ipairs(update.append) do
      rows[#rows + 1] = row_field(field, from + i - 1)
      rows[#rows + 1] = row
    end
    remove_rows(field, before.first, first)
    remove_rows(field, math.max(last, first), before.last)
    records[#records + 1] = field
    records[#records + 1] = scope_text({
      version = (update.previous or 0) + 1, first = first, last = last, commit = commit,
    })
    if update.head ~= '' then heads[#heads + 1], heads[#heads + 2] = field, update.head end
    if not update.scope then places[#places + 1], places[#places + 2] = 0, field end
  end
end
order[#order + 1], order[#order + 2] = commits, 'c' .. commit

if #gone == #updates then
  -- A server that has reached its maxmemory refuses the first write of a script that may need memory, and lets a script go
  -- on that has begun with another write: it must not stop half-way. HDEL needs none, and of a field that no hash has it
  -- changes nothing. What deletes begins so, and what has to come before that: the cancellation of a run.
  
  local function write_even_when_full(hash)
    return redis.pcall('HDEL', hash, '')
  end
  
  write_even_when_full(host_fence)
end
gather()
mutate('HSET', host_commits, commit, digest .. '\n')
in_chunks('ZADD', host_order, order)
mutate('HSET', host_fence, 'commits', numeral(commits))
if #rows > 0 then in_chunks('HSET', host_rows, rows) end
if #records > 0 then in_chunks('HSET', host_scopes, records) end
if #heads > 0 then in_chunks('HSET', host_heads, heads) end
if #places > 0 then in_chunks('ZADD', host_names, places) end
if #gone_rows > 0 then in_chunks('HDEL', host_rows, gone_rows) end
if #gone > 0 then
  in_chunks('HDEL', host_scopes, gone)
  in_chunks('HDEL', host_heads, gone)
  in_chunks('ZREM', host_names, gone)
end
local oldest = redis.call('ZRANGE', host_order, 0, FORGOTTEN - 1, 'WITHSCORES')
local old, old_commits = {}, {}
for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) > commits - tonumber(kept) then break end
  old[#old + 1] = oldest[i]
  if string.sub(oldest[i], 1, 1) == 'c' then old_commits[#old_commits + 1] = string.sub(oldest[i], 2) end
end
if #old > 0 then
  in_chunks('ZREM', host_order, old)
  if #old_commits > 0 then in_chunks('HDEL', host_commits, old_commits) end
end
count_gathered()
return { WON }

end

-- The receipt comes before everything else: a call that has happened is answered with its first reply, in any state of
-- the server, and also if the namespace has another epoch since. Nearly always it is that of the last call that was
-- answered, with a reply, and the epoch is the one that the client knows: then there is nothing to find out.
local receipt = redis.pcall('HGET', session, slot)
if type(receipt) ~= 'string' or string.match(receipt, '^(%d+) %D') ~= answered
  or redis.call('HGET', meta, 'epoch') ~= epoch then
  -- What lib/session does where the receipt of a slot is not that of the last call which was answered, or the epoch is
  -- another one, or has the state of the namespace behind it: it answers a call that was here before, refuses one that must
  -- not happen, and tells of a loss. Then it goes on: the call is new. All of it stands in that branch, since functions are made anew in each call that comes to them.
  
  -- `epoch` of `meta` is the number of the epoch and, behind a space, the state of the namespace if it has one, so that calls
  -- learn of it by the comparison that they make anyway (decision 0059):
  --
  --   backup <id> <deadline in ms> <key of the changes>   what is written is noted, for a backup that is under way
  --   changes <id> 0 <key of the changes>                 what is written is noted, for the next backup
  --   restoring <id>                                      it is not there yet, and nothing may be written
  --   moved <id> <place>                                  it is elsewhere, and nothing may be written
  --
  -- The id of a move begins with `move:`, in both places; that of a restoring which was given up is `-`.
  
  local STATES = { backup = true, changes = true, restoring = true, moved = true }
  
  -- nil of an epoch that is damaged
  local function epoch_and_state(text)
    local number, state = string.match(text or '', '^(%d+) ?(.*)$')
    if state == '' then return number end
    if number and STATES[string.match(state, '^%l*')] then return number, state end
  end
  
  local function epoch_text(number, state)
    return state and number .. ' ' .. state or number
  end
  
  -- A receipt is the number of a call in its slot, and its first reply as the protocol spells it. A fence has in the place of
  -- the reply the number of the last call before it: `resolve` leaves it so that the call never happens (decision 0015).
  
  -- number and reply; nil if it was cut short, which tells nothing: not even its number, which may be that of a later call
  local function read_receipt(receipt)
    return string.match(receipt, '^(%d+) (.+)$')
  end
  
  local function is_fence(first)
    return string.find(first, '^%d+$') ~= nil
  end
  
  
  local function is_cut_short(one) return one and not read_receipt(one) end
  local function unreadable(what) return redis.error_reply('UNREADABLE ' .. what) end
  
  -- the greatest number of a call that was executed in the slot of a receipt, as far as the server knows
  local function last_call(one)
    if not one then return 0 end
    local number, first = read_receipt(one)
    return tonumber(is_fence(first) and first or number)
  end
  
  if type(receipt) == 'table' then  -- an error
    return string.find(receipt.err, '^WRONGTYPE ') and unreadable('it is no hash') or receipt
  end
  if is_cut_short(receipt) then return unreadable('a receipt is cut short') end
  if receipt then
    local number, first = read_receipt(receipt)
    if number == sequence and not is_fence(first) then
      if string.sub(first, 1, 1) == '-' then
        if string.sub(first, -2) ~= '\r\n' then return unreadable('a receipt is cut short') end
        return redis.error_reply(string.sub(first, 2, -3))
      end
      return { 'RECEIPT', first }
    end
    -- the slot has gone on, or `resolve` has said that this call never happens: an original that comes late must not
    if tonumber(number) >= tonumber(sequence) then return redis.error_reply('FENCED the call was given up') end
  end
  
  local current, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
  current = current or '0'
  local stands, of, more = string.match(state or '', '^(%l+) (%S+) ?(.*)$')
  if stands == 'restoring' then
    local what = 'being restored: try again when `redis-mob restore` has ended; if that was killed, restore again'
    if of == '-' then
      what = 'not whole, since a move to it was undone: restore or copy into it, or name another one'
    elseif string.sub(of, 1, 5) == 'move:' then
      what = 'being moved here: try again when `redis-mob copy` has ended; if that was killed, undo it with '
        .. '`redis-mob copy FROM TO --abort`'
    end
    return redis.error_reply('RESTORING the namespace is ' .. what)
  elseif stands == 'moved' then
    return redis.error_reply('MOVEDAWAY the namespace was moved: use ' .. more)
  end
  
  -- The epoch comes before the operation: a client that has missed a loss must not write from what it has read before.
  -- An epoch that was damaged is another one than all clients know: each is told.
  local known = epoch == '-' or epoch == current
  local witness, number = string.match(answered, '^(%d+):(%d+)$')
  local seen = receipt
  if witness then seen = redis.call('HGET', session, witness) end
  if is_cut_short(seen) then return unreadable('a receipt is cut short') end
  if not known or last_call(seen) < tonumber(number or answered) then
    -- A replica that lags behind misses receipts and epochs too. Only a server that takes writes may tell of a loss: this
    -- one raises the server's refusal, also where it is full and would go on.
    redis.call('HDEL', session, '')
    if known then
      local time = redis.call('TIME')  -- no counter: it would come to the same number again after going back further
      current = time[1] .. string.format('%06d', time[2])
      redis.call('HSET', meta, 'epoch', epoch_text(current, state))
    end
    return redis.error_reply('EPOCH ' .. current)
  end
  if stands == 'backup' or stands == 'changes' then
    -- Notes what a script writes, for a backup that is under way (decision 0059), in the same script as the write itself.
    --
    -- A field of the changes is the length of a key, a colon, the key and what changed of it: `e` and a field, member or id
    -- of an entry; `s` = it has grown at its end, and the value says from where; `w` = read it as a whole.
    
    local deadline, changes = string.match(more, '^(%d+) (.+)$')
    local clock = redis.call('TIME')
    if stands == 'backup' and tonumber(deadline) < clock[1] * 1000 + clock[2] / 1000 then
      -- the process that made the backup is gone
      redis.call('HSET', meta, 'epoch', current)
      redis.call('UNLINK', changes, changes .. ':aside')
    else
      local server = redis
      local function note(key, what, value)
        server.call(what == 's' and 'HSETNX' or 'HSET', changes, #key .. ':' .. key .. what, value or '')
      end
      local function note_each(key, from, step, ...)
        local words = { ... }
        for i = from, #words, step do note(key, 'e' .. words[i]) end
      end
      local notes = {
        HSET = function(reply, key, ...) note_each(key, 1, 2, ...) end,
        HSETNX = function(reply, key, field) note(key, 'e' .. field) end,
        HINCRBY = function(reply, key, field) note(key, 'e' .. field) end,
        HDEL = function(reply, key, ...) note_each(key, 1, 1, ...) end,
        ZADD = function(reply, key, ...)
          local words = { ... }
          local first = tonumber(words[1]) and 2 or 3  -- NX or LT stands before the scores
          for i = first, #words, 2 do note(key, 'e' .. words[i]) end
        end,
        ZREM = function(reply, key, ...) note_each(key, 1, 1, ...) end,
        XADD = function(reply, key) note(key, 's', reply) end,
        XDEL = function(reply, key, ...) note_each(key, 1, 1, ...) end,
        RPUSH = function(reply, key, ...) note(key, 's', reply - select('#', ...)) end,
        RENAME = function(reply, from, to)
          note(from, 'w')
          note(to, 'w')
        end,
        COPY = function(reply, from, to) note(to, 'w') end,
        UNLINK = function(reply, ...) for _, key in ipairs({ ... }) do note(key, 'w') end end,
      }
      notes.DEL = notes.UNLINK
      for _, command in ipairs({ 'SADD', 'SREM', 'LPUSH', 'LTRIM', 'PEXPIRE', 'PERSIST' }) do
        notes[command] = function(reply, key) note(key, 'w') end
      end
      local function noting(call)
        return function(command, ...)
          local reply, key = call(command, ...), ...
          local noted = notes[command]
          if noted and key ~= session and key ~= meta and string.sub(key, 1, #changes) ~= changes and not (type(reply) == 'table' and reply.err) then
            noted(reply, ...)
          end
          return reply
        end
      end
      redis = {
        call = noting(server.call), pcall = noting(server.pcall), error_reply = server.error_reply,
        status_reply = server.status_reply, sha1hex = server.sha1hex, acl_check_cmd = server.acl_check_cmd,
      }
    end
    
  end
  
end

-- The right to leave a receipt comes before the operation too: an effect without one would happen again when the call
-- is sent again. It is asked for in each call, since it may be taken away at any time. Doubles of a server may not know
-- the question.
local may, prolongs = redis.acl_check_cmd, time_to_live ~= ''
if may and not (may('HSET', session, slot, '') and (not prolongs or may('PEXPIRE', session, time_to_live))) then
  return redis.error_reply('NOPERM the user may not run HSET and PEXPIRE, which the session of a call needs')
end

local done, reply = pcall(operation)
local words
if not done then
  local changes = gathered or {}
  gathered = nil
  for key, change in pairs(changes) do
    if change ~= 0 then pcall(count, key, change) end
  end
  words = type(reply) == 'table' and reply.err or tostring(reply)
  reply = redis.error_reply((mutations == 0 and 'REFUSED ' or
    'PARTIAL ' .. mutations .. ' ' .. (attempted and attempted .. ' ' .. attempted_on or '- -') .. ' ') .. words)
end

-- Every end leaves a receipt, also that of an operation which failed: an original that comes late would do it after
-- all. After a first write the server refuses none, so that one without a receipt has written nothing.
local spelt = ':1\r\n'  -- mostly
if reply ~= 1 then
  -- How the protocol spells a reply.
  
  local function spelled(reply)
    local kind = type(reply)
    if kind == 'number' then return string.format(reply < 1e15 and ':%d\r\n' or ':%.0f\r\n', reply) end
    if kind == 'string' then return '$' .. #reply .. '\r\n' .. reply .. '\r\n' end
    if kind ~= 'table' then return reply and ':1\r\n' or '$-1\r\n' end
    if reply.err then return '-' .. string.gsub(reply.err, '[\r\n]', ' ') .. '\r\n' end
    if reply.ok then return '+' .. reply.ok .. '\r\n' end
    local parts = {}
    for i, part in ipairs(reply) do
      parts[i] = spelled(part)
    end
    return '*' .. #parts .. '\r\n' .. table.concat(parts)
  end
  
  spelt = spelled(reply)
end
local left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelt)
if type(left) == 'table' and left.err then
  -- A server that has reached its maxmemory refuses the first write of a script that may need memory, and lets a script go
  -- on that has begun with another write: it must not stop half-way. HDEL needs none, and of a field that no hash has it
  -- changes nothing. What deletes begins so, and what has to come before that: the cancellation of a run.
  
  local function write_even_when_full(hash)
    return redis.pcall('HDEL', hash, '')
  end
  
  write_even_when_full(session)
  left = redis.pcall('HSET', session, slot, sequence .. ' ' .. spelt)
end
if type(left) == 'table' and left.err then
  local code = string.match(left.err, '%u+')
  -- read-only: another server is the primary, so that what this one has read may be old
  if code == 'READONLY' then return redis.error_reply(left.err) end
  if done then return { 'UNRECORDED', spelt } end
  return mutations > 0 and reply or redis.error_reply(words)
end
if prolongs then redis.pcall('PEXPIRE', session, time_to_live) end
return reply
