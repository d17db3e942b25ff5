-- Tell how full limits are.
--
-- ARGV   limits: as entries have them (see lib/gates)
-- Reply  {now (ms), for each: how many count that were taken or are under way, how many have begun in its time, 1 if it is
--        full, when it has room again (ms, '' if that is not known), and until when it is closed (ms, '' if it is open)}; of
--        one that counts units, how many are reserved, and how many were used in its time
-- Leaves everything as it was.

--- @include lib/arguments
--- @include lib/gates

--- @keys meta gated
--- @args limits*
expect_whole('ZCARD', gated)
read_clock(meta)
local found = {}
for _, limit in ipairs(limits) do
  for _, gate in ipairs(gates_of({ name = limit, first = 1, last = #limit })) do
    local full, at = is_full(gated, gate)
    if gate.counts_units then
      local account = account_of(gated, gate)
      found[#found + 1], found[#found + 2] = account.reserved, account.settled
    else
      found[#found + 1] = redis.call('ZLEXCOUNT', gated, '[k' .. gate.id, '[k' .. gate.id .. '\255')
      found[#found + 1] = gate.is_rate and begun_since(gated, gate, gate.per) or 0
    end
    found[#found + 1] = full and 1 or 0
    found[#found + 1] = full and at and decimal(at) or ''
    local closed = end_of_closing(gated, gate)
    found[#found + 1] = closed and decimal(closed) or ''
  end
end
return { NOW, found }
