-- Scopes of a host store of which something is gone: they are given up as a whole, since rows are known by their indices.

-- scopes whose record cannot be read, whose head is gone, or a row
local function find_broken_scopes()
  local found, flat = {}, redis.call('HGETALL', host_scopes)
  for i = 1, #flat, 2 do
    local field, first, last = flat[i], string.match(flat[i + 1], '^%d+ (%d+) (%d+) [^\n]+\n$')
    local broken = not first or redis.call('HEXISTS', host_heads, field) == 0
    for index = broken and 1 or tonumber(first), broken and 0 or tonumber(last) - 1 do
      if redis.call('HEXISTS', host_rows, field .. '\0' .. string.format('%.0f', index)) == 0 then
        broken = true
        break
      end
    end
    if broken then found[#found + 1] = field end
  end
  if #found > 0 then add_loss(host_scopes, #found .. ' scopes have lost their record, head or rows') end
  return found
end
