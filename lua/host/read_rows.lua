-- Read rows of a scope in the order of their indices, at one moment.
--
-- ARGV   field; from: index of the first; limit: how many at most; version: that the scope must have, '' = any
-- Reply  nil (there is no such scope) | {CONFLICT, version} (it has another one) | {LOST, index of the first visible row}
--        (`from` is before it) | {WON, version, '1' if there are more of them, row...}; a page ends early behind 8 MiB
-- Leaves everything as it was.

--- @include lib/host_scopes
--- @include lib/replies

--- @keys meta host_scopes host_rows
--- @args field from limit version
local scope = scope_at(host_scopes, field)
if not scope then return nil end
if version ~= '' and tonumber(version) ~= scope.version then return { CONFLICT, scope.version } end
local first = tonumber(from)
if first < scope.first then return { LOST, scope.first } end

local reply, size = { WON, scope.version, 0 }, 0
local last = math.min(first + tonumber(limit), scope.last) - 1
for index = first, last do
  if size >= PAGE then
    reply[3] = 1
    break
  end
  local row = redis.call('HGET', host_rows, row_field(field, index))
  if not row then
    damaged(host_rows, 'row ' .. decimal(index) .. ' of scope ' .. string.sub(field, 1, 40) .. ' is gone')
  end
  reply[#reply + 1] = row
  size = size + #row
end
return reply
