-- Documents with a revision: "<revision> <rest>". The clock that counts the revisions of a name survives the document,
-- so that none is given twice (decision 0005).

--- @include lib/mutate

-- The revision of a document as decimal text: '0' if it is absent, '' if it cannot be read.
local function revision_of(document)
  if not document then return '0' end
  return string.match(document, '^(%d+) ') or ''
end

-- The document of a name, or false. A revision of a name that has none would begin anew if its clock were lost.
local function found_in(documents, clock, name)
  local document = redis.call('HGET', documents, name)
  if not document then
    expect_whole('HLEN', documents)
    expect_whole('HLEN', clock)
  end
  return document
end

-- A script calls this before its other writes: HINCRBY refuses a clock that is no number.
local function next_revision(clock, name)
  mutate('HINCRBY', clock, name, 1)
  return redis.call('HGET', clock, name)
end
