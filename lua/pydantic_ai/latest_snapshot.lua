-- Read the newest snapshot of a run of an agent, with its messages.
--
-- ARGV   any: 1 = also one that is interrupted
-- Reply  {snapshot, {messages}}, nil if there is none
-- Leaves everything as it was.

--- @include lib/many_fields
--- @include lib/pydantic_ai_runs

--- @keys records snapshots
--- @args any
for i = redis.call('LLEN', snapshots) - 1, 0, -1 do
  local snapshot = redis.call('LINDEX', snapshots, i)
  if any == '1' or string.sub(snapshot, 1, 1) == 'c' then
    local fields = digests_in(snapshot)
    for n, digest in ipairs(fields) do fields[n] = 'm' .. digest end
    return { snapshot, values_of(records, fields) }
  end
end
return nil
