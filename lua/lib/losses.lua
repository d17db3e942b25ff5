-- What keys have lost, as their counts tell it: rows of a key, what is wrong with it, and what accepting the loss does.

--- @include lib/counts
--- @include lib/measuring

local COUNTED = 'counted'

local NOT_COUNTED = 'its records are not counted'

local losses = {}

local function add_loss(key, what)
  losses[#losses + 1] = { key, what }
end

-- tells of a key that has fewer records than its owner has counted
local function compare_with_count(measure, key)
  local owner_of_key, field = owners and owners[key] or owner, count_fields[key]
  local found, counted = size_of(measure, key), redis.call('HGET', owner_of_key, field) or '0'
  local number = count_in(counted)
  if not number then
    add_loss(owner_of_key, 'its field ' .. field .. ' is no number: ' .. string.sub(counted, 1, 40))
  elseif found < number then
    add_loss(key, found .. ' of ' .. counted .. ' records are there')
  end
end

-- `measured`: {command, keys that it measures ...}, ...; calls `visit` with the command and each key
local function each_measured(measured, visit)
  for _, keys in ipairs(measured) do
    for i = 2, #keys do visit(keys[1], keys[i]) end
  end
end

-- fields and values that set the counts of these keys to the number of records that they hold
local function counts_of(measured)
  local written = {}
  each_measured(measured, function(measure, key)
    written[#written + 1], written[#written + 2] = count_fields[key], size_of(measure, key)
  end)
  return written
end

local function find_counted(measured)
  each_measured(measured, compare_with_count)
end
