-- Documents with a revision: "<revision> <rest>". The clock that counts the revisions of a name survives the document,
-- so that none is given twice (decision 0005).

-- The revision of a document as decimal text: '0' if it is absent, '' if it cannot be read.
local function revision_of(document)
  if not document then return '0' end
  return string.match(document, '^(%d+) ') or ''
end

local function next_revision(clock, name)
  redis.call('HINCRBY', clock, name, 1)
  return redis.call('HGET', clock, name)
end
