-- Which run the starts under a debounce key are gathered in. `debounces` has the digest of mob, flow and key: the id of the
-- run, and in milliseconds of the fleet's clock when it was started first, with a line feed at the end. The run has that
-- digest in its field `debounce` until it begins, so that who ends it or begins it finds the entry, and no other run has
-- anything to look for (decision 0039).

--- @include lib/counters
--- @include lib/mutate

-- the id of the run of an entry, and when that was started first; nothing without an entry
local function debounced_run(debounces, entry)
  if not entry then return nil end
  local run_id, first = string.match(entry, '^(' .. string.rep('[%x-]', 36) .. ') (%d+)\n$')
  if not run_id then
    --- @include lib/damage
    damaged(debounces, 'an entry in it cannot be read: ' .. string.sub(entry, 1, 60))
  end
  return run_id, tonumber(first)
end

-- The next start under a key makes a run of its own: this one has begun, or is over. The entry may be that of a later run
-- by now.
local function forget_debounce(debounces, digest, run_id)
  local entry = redis.call('HGET', debounces, digest)
  if entry and string.sub(entry, 1, #run_id) == run_id then mutate('HDEL', debounces, digest) end
end
