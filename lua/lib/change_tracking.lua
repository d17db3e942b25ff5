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
