-- What keys have lost, as their counts tell it: rows of a key, what is wrong with it, and what accepting the loss does.

--- @include lib/counts

local COUNTED = 'counted'

local NOT_COUNTED = 'its records are not counted'

local losses = {}

local function add_loss(key, what)
  losses[#losses + 1] = { key, what }
end

-- whether a key has fewer records than its owner has counted
local function has_lost(measure, key)
  local found, count = size_of(measure, key), redis.call('HGET', owners[key], count_fields[key]) or '0'
  local number = count_in(count)
  if not number then
    add_loss(owners[key], 'its field ' .. count_fields[key] .. ' is no number: ' .. string.sub(count, 1, 40))
    return true
  end
  if found >= number then return false end
  add_loss(key, found .. ' of ' .. count .. ' records are there')
  return true
end

-- fields and values that set the counts of these keys to what is there
local function counts_of(measured)
  local written = {}
  for _, keys in ipairs(measured) do
    for i = 2, #keys do
      written[#written + 1] = count_fields[keys[i]]
      written[#written + 1] = size_of(keys[1], keys[i])
    end
  end
  return written
end

-- `measured`: {command, keys that it measures ...}, ...; gives the keys that have lost something
local function find_counted(measured)
  local lost = {}
  for _, keys in ipairs(measured) do
    for i = 2, #keys do
      lost[keys[i]] = has_lost(keys[1], keys[i]) or nil
    end
  end
  return lost
end
