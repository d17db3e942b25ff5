-- The config documents of a namespace. A place is the packed config namespace and the id behind it: it names a document
-- in every hash, and orders the ids. A version is '<revision> <time>', a past version that and the document behind it.

--- @include lib/arguments
--- @include lib/counts

--- @keys meta documents versions history ids tokens feed channel

-- past versions of a document; with the present one it has 20
local PAST = 19

local function take_name()
  local namespace, id = take(), take()
  return { namespace = namespace, id = id, place = namespace .. id }
end

local function present(place)
  if redis.call('HEXISTS', documents, place) == 1 then return true end
  expect_whole('HLEN', documents)
  return false
end

-- decimal text; '0' if there is no document
local function revision_of(place)
  local version = redis.call('HGET', versions, place)
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
