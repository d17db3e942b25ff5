-- The config documents of a namespace. A place is the packed config namespace and the id behind it: it names a document
-- in every hash, and orders the ids. A version is '<revision> 0<time>' and a line feed, so that one which was cut short is
-- noticed; older releases wrote neither the 0 nor the line feed. A past version has a space and the document behind it.

--- @include lib/arguments
--- @include lib/counters
--- @include lib/counts

--- @keys meta documents versions history ids tokens feed channel
--- @include lib/config_presence

-- past versions of a document; with the present one it has 20
local PAST = 19

local function take_name()
  local namespace, id = take(), take()
  return { namespace = namespace, id = id, place = namespace .. id }
end

local function present(document)
  if redis.call('HEXISTS', documents, document.place) == 1 then return true end
  expect_absent(document.place, document.id)
  return false
end

-- decimal text; '0' if there is no document
local function revision_of(document)
  local version = present(document) and redis.call('HGET', versions, document.place)
  if not version then expect_whole('HLEN', versions) end
  return string.match(version or '', '^%d+') or '0'
end

local function version_at(place)
  return (redis.call('HGET', versions, place) or '') .. ' ' .. redis.call('HGET', documents, place)
end

-- the field of the n-th version that a document ever lost: past versions stand in a ring, 'n' counts them
local function past_field(place, number)
  return number % PAST .. ':' .. place
end

-- How many versions a document ever lost. If the ring is not full, there is none behind the last one.
local function past_versions(place)
  local count = number_at(history, 'n:' .. place)
  if count < PAST and redis.call('HEXISTS', history, past_field(place, count + 1)) == 1 then
    damaged(history, 'a number of past versions is behind them')
  end
  return count
end
