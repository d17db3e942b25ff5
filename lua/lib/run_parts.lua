-- Everything that belongs to a run, as one array for each of KEYS 1-9: fields and values of a hash, or items.

local READ = { 'HGETALL', 'HGETALL', 'HGETALL', 'HGETALL', 'LRANGE', 'HGETALL', 'LRANGE', 'LRANGE', 'LRANGE' }

local function read_run()
  local parts = {}
  for i, command in ipairs(READ) do
    parts[i] = command == 'LRANGE' and redis.call(command, KEYS[i], 0, -1) or redis.call(command, KEYS[i])
  end
  return parts
end
