-- The config documents of a namespace. A place is the packed config namespace and the id behind it: it names a document
-- in every hash, and orders the ids. A version is '<revision> <time>', a past version that and the document behind it.

--- @include lib/arguments
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
