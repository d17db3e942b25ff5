-- Read the heads of scopes of one kind, in the byte order of their names, at one moment.
--
-- ARGV   letter: of the kind; after: the field of a scope to read on after, '' = from the first; limit: how many at most
-- Reply  {'1' if there are more, field, version, commit id, head, ...}; a page ends early behind 8 MiB of heads
-- Leaves everything as it was.

--- @include lib/host_scopes
--- @include lib/arguments

--- @keys meta host_scopes host_heads host_names
--- @args letter after limit
expect_whole('ZCARD', host_names)
local from = after == '' and '[' .. letter or '(' .. after
local most, size, page = tonumber(limit), 0, { 0 }
local ends = '(' .. string.char(string.byte(letter) + 1)
while most > 0 do
  local fields = redis.call('ZRANGE', host_names, from, ends, 'BYLEX', 'LIMIT', 0, math.min(most, CHUNK) + 1)
  for i, field in ipairs(fields) do
    if i > math.min(most, CHUNK) or size >= PAGE then
      page[1] = 1
      break
    end
    local scope = scope_at(host_scopes, field)
    -- one whose loss was accepted is listed and gone
    if scope then
      local head, at = head_at(host_heads, field), #page
      page[at + 1], page[at + 2], page[at + 3], page[at + 4] = field, scope.version, scope.commit, head
      size = size + #head
    end
    from = '(' .. field
  end
  most = (most > CHUNK and #fields > CHUNK and size < PAGE) and most - CHUNK or 0
  if most > 0 then page[1] = 0 end
end
return page
