-- How the protocol spells a reply.

local function spelled(reply)
  local kind = type(reply)
  if kind == 'number' then return string.format(reply < 1e15 and ':%d\r\n' or ':%.0f\r\n', reply) end
  if kind == 'string' then return '$' .. #reply .. '\r\n' .. reply .. '\r\n' end
  if kind ~= 'table' then return reply and ':1\r\n' or '$-1\r\n' end
  if reply.err then return '-' .. string.gsub(reply.err, '[\r\n]', ' ') .. '\r\n' end
  if reply.ok then return '+' .. reply.ok .. '\r\n' end
  local parts = {}
  for i, part in ipairs(reply) do
    parts[i] = spelled(part)
  end
  return '*' .. #parts .. '\r\n' .. table.concat(parts)
end
