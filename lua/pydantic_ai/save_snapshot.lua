-- Save a snapshot of a run of an agent, unless one of its identity is there; each message is stored once.
--
-- ARGV   identity: of the snapshot, '' = none; snapshot: as lib/pydantic_ai_runs says; most: how many snapshots stay, '' =
--        all; time_to_live: of the run from now on (ms), '' = it stays; messages: fields and values of some messages
-- Reply  WON | EXISTS | LOST (some of its messages are neither here nor there)
-- Leaves the snapshot as the newest one, and of the older ones as many as may stay, among them the newest that is complete; messages
--        that none of them has are gone. Nothing changes unless it is won.

--- @include lib/arguments
--- @include lib/key_types
--- @include lib/pydantic_ai_runs
--- @include lib/replies

-- keeps the newest snapshots, and the newest that is complete
local function trim(key, records_key, kept)
  local older = redis.call('LRANGE', key, 0, -kept - 1)
  if #older == 0 then return end
  local newest, complete = redis.call('LRANGE', key, -kept, -1), nil
  for _, one in ipairs(newest) do complete = complete or string.sub(one, 1, 1) == 'c' end
  local stays
  for i = #older, 1, -1 do
    if not complete and not stays and string.sub(older[i], 1, 1) == 'c' then stays = table.remove(older, i) end
  end
  local gone, fields = {}, {}
  for _, one in ipairs(older) do
    for _, digest in ipairs(digests_in(one)) do gone[digest] = true end
  end
  if stays then newest[#newest + 1] = stays end
  for _, one in ipairs(newest) do
    for _, digest in ipairs(digests_in(one)) do gone[digest] = nil end
  end
  for digest in pairs(gone) do fields[#fields + 1] = 'm' .. digest end
  mutate('LTRIM', key, -kept, -1)
  if stays then mutate('LPUSH', key, stays) end
  in_chunks('HDEL', records_key, fields)
end

--- @keys records run_events snapshots runs places expiry
--- @args run identity snapshot most time_to_live messages*
expect_lists(snapshots)
expect_hashes(runs)
expect_sorted_sets(places, expiry)
if identity ~= '' and redis.call('HEXISTS', records, 'ks' .. identity) == 1 then return EXISTS end
local given = {}
for i = 1, #messages, 2 do given[messages[i]] = true end
for _, digest in ipairs(digests_in(snapshot)) do
  local field = 'm' .. digest
  if not given[field] and redis.call('HEXISTS', records, field) == 0 then return LOST end
end

mutate('RPUSH', snapshots, snapshot)
in_chunks('HSET', records, messages)
if identity ~= '' then mutate('HSET', records, 'ks' .. identity, 1) end
local own = { records, run_events, snapshots }
keep_run({ own = own, runs = runs, places = places, expiry = expiry }, run, time_to_live)
if most ~= '' then trim(snapshots, records, tonumber(most)) end
return WON
