-- Documents with a revision: "<revision> <rest>". The clock that counts the revisions of a name survives the document,
-- so that none is given twice (decision 0005).

--- @include lib/counters
--- @include lib/damage
--- @include lib/mutate
--- @include lib/replies

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

-- The last revision of a name with this document or without one.
local function last_revision(clock, name, document)
  local last, current = number_at(clock, name), revision_of(document)
  if #current <= MOST_DIGITS and (tonumber(current) or 0) > last then damaged(clock, 'it is behind a document') end
  return last
end

-- The next revision of a name with this document or without one. A script calls this before its other writes.
local function next_revision(clock, name, document)
  local last = last_revision(clock, name, document)
  mutate('HSET', clock, name, decimal(last + 1))
  return decimal(last + 1)
end

-- Deletes a document. The last revision of its name is marked then: no document is left to compare a shortened one with.
local function delete_document(documents, clock, name)
  local last = number_at(clock, name)
  mutate('HDEL', documents, name)
  mutate('HSET', clock, name, numeral(last))
end

-- Stores a document with the revision that it brings, unless its name has one: {WON} | {LOST, the document that is
-- there} | {CONFLICT} (the name has had that revision, or a greater one)
local function bring_document(documents, clock, name, revision, document)
  local stored = found_in(documents, clock, name)
  if stored then return { LOST, stored } end
  if number_at(clock, name) >= tonumber(revision) then return { CONFLICT } end
  mutate('HSET', clock, name, revision)
  mutate('HSET', documents, name, document)
  return { WON }
end
