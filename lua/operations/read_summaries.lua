-- Read the heads of some runs: fields that say what is in a list of runs.
--
-- KEYS   hashes_and_failures: two for each run
-- ARGV   fields: of the hash of each run, the first one being its status; most_bytes: once these are read, no further run is
-- Reply  of the first runs, of one at least: {values of the fields, how many fields there are, how many failures a failed
--        run has, the last one of them or ''}; nil for a run that is not there
-- Leaves everything as it was.

--- @include lib/arguments

--- @keys hashes_and_failures*
--- @args fields* most_bytes
local rows, bytes = {}, 0
for i = 1, #hashes_and_failures, 2 do
  local hash, failures = hashes_and_failures[i], hashes_and_failures[i + 1]
  local values = redis.call('HMGET', hash, unpack(fields))
  local number, failure = 0, ''
  if values[1] == 'failed' then
    number, failure = redis.call('LLEN', failures), redis.call('LINDEX', failures, -1) or ''
  end
  rows[#rows + 1] = values[1] and { values, redis.call('HLEN', hash), number, failure }
  bytes = bytes + #failure
  for _, value in ipairs(values) do bytes = bytes + (value and #value or 0) end
  if bytes > tonumber(most_bytes) then break end
end
return rows
