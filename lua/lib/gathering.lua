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
