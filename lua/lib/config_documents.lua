-- The config documents of a namespace. A place is the packed config namespace and the id behind it: it names a document
-- in every hash, and orders the ids.

--- @include lib/arguments
--- @include lib/counters
--- @include lib/counts

--- @keys meta documents versions history ids tokens feed channel
--- @include lib/config_presence
--- @include lib/config_versions
--- @include lib/damage

local function take_name()
  local namespace, id = take(), take()
  return { namespace = namespace, id = id, place = namespace .. id }
end

local function present(document)
  if redis.call('HEXISTS', documents, document.place) == 1 then return true end
  expect_absent(document.place, document.id)
  return false
end

-- the version of a document that is there
local function version_of(document)
  local version = redis.call('HGET', versions, document.place)
  if not version or not is_version(version) then
    damaged(versions, 'the version of the document ' .. string.sub(document.id, 1, 200) .. ' is gone or cut short')
  end
  return version
end

-- decimal text; '0' if there is no document
local function revision_of(document)
  if present(document) then return string.match(version_of(document), '^%d+') end
  expect_whole('HLEN', versions)
  return '0'
end

-- How many versions a document ever lost. If the ring is not full, there is none behind the last one.
local function past_versions(place)
  local count = number_at(history, 'n:' .. place)
  if count < PAST and redis.call('HEXISTS', history, past_field(place, count + 1)) == 1 then
    damaged(history, 'a number of past versions is behind them')
  end
  return count
end
