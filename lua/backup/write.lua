-- Write records of a backup to a namespace that is being restored.
--
-- ARGV   id: of the restoring; packed: a msgpack list of records (lib/backup_reading), which name keys by their place
-- Reply  1 | 0: another restoring has begun
-- Leaves the keys as after the records. May run twice: a record has values, not changes.

--- @include lib/mutate
--- @include lib/namespace_state
--- @include lib/chunks

--- @keys meta wanted*
--- @args id packed
if redis.call('HGET', meta, 'epoch') ~= epoch_text('0', 'restoring ' .. id) then return 0 end
for _, record in ipairs(cmsgpack.unpack(packed)) do
  local kind, key, what, more = record[1], wanted[record[2]], record[3], record[4]
  if kind == 'R' then
    mutate('UNLINK', key)
  elseif kind == 'E' then
    mutate('PEXPIREAT', key, what)
  elseif kind == 'H' then
    in_chunks('HSET', key, what)
  elseif kind == 'h' then
    in_chunks('HDEL', key, what)
  elseif kind == 'Z' then
    local scored = {}
    for i = 1, #what, 2 do scored[i], scored[i + 1] = what[i + 1], what[i] end
    in_chunks('ZADD', key, scored)
  elseif kind == 'z' then
    in_chunks('ZREM', key, what)
  elseif kind == 'S' then
    in_chunks('SADD', key, what)
  elseif kind == 'L' then
    -- of a list that is shorter the whole comes later
    if redis.call('LLEN', key) >= what then
      if what == 0 then mutate('UNLINK', key) else mutate('LTRIM', key, 0, what - 1) end
      in_chunks('RPUSH', key, more)
    end
  elseif kind == 'X' then
    local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    local before, beside = string.match(newest and newest[1] or '0-0', '(%d+)-(%d+)')
    for _, entry in ipairs(more) do
      local id, second = string.match(entry[1], '(%d+)-(%d+)')
      if tonumber(id) > tonumber(before) or id == before and tonumber(second) > tonumber(beside) then
        mutate('XADD', key, entry[1], unpack(entry[2]))
      end
    end
    if what ~= '' then mutate('XTRIM', key, 'MINID', what) end
  elseif kind == 'x' then
    in_chunks('XDEL', key, what)
  end
end
return 1
