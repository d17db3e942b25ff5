-- Accept what the keys of a namespace have lost: from then on it counts as never written.
--
-- ARGV   new_schema, new_token_key: what a namespace gets that has lost them
-- Reply  {key, what was wrong with it} of each
-- Leaves counts and counters as the records that remain give them, exactly these records listed, a version with each
--        config document, no scope of a host that has lost something, and a new epoch if `meta` was damaged, so that all clients are told. Nothing changes if nothing
--        is missing.

--- @include lib/chunks
--- @include lib/clock
--- @include lib/losses_of_namespace
--- @include lib/mutate

--- @args new_schema new_token_key
local function list_again(list, unpaired)
  for _, place in ipairs(unpaired.unlisted) do mutate('ZADD', list, 0, place) end
  in_chunks('ZREM', list, unpaired.gone)
end

local function forget_past(place)
  local fields = { 'n:' .. place }
  for number = 0, PAST - 1 do fields[#fields + 1] = past_field(place, number) end
  mutate('HDEL', history, unpack(fields))
end

local function mend_meta(found)
  local fields = {}
  local function set(name, value)
    fields[#fields + 1], fields[#fields + 2] = name, value
  end
  if found.schema then set('schema', new_schema) end
  if found.token_key then set('token_key', new_token_key) end
  for name, least in pairs(found.counters) do set(name, decimal(least)) end
  if #fields > 0 or found.epoch then
    local _, state = epoch_and_state(redis.call('HGET', meta, 'epoch'))
    set('epoch', epoch_text(now(), state))
  elseif redis.call('HEXISTS', meta, 'epoch') == 0 then
    set('epoch', 0)  -- an older release gave it none, which all clients take for the first one
  end
  -- likewise; a namespace that is counted is damaged without one
  if not found.token_key and redis.call('HEXISTS', meta, 'token_key') == 0 then set('token_key', new_token_key) end
  if found.lost_runs then set('runs_lost', decimal(found.lost_runs)) end
  set(COUNTED, 1)
  mutate('HSET', meta, unpack(fields))
end

local schema = number_of_meta('schema')
if schema and schema > tonumber(new_schema) then error('a newer redis_mob has written the namespace: use that', 0) end
local found = find_losses()
if #losses == 0 then return losses end

-- the counts come last: if the script ends half-way, a second call still finds the losses, and does the rest

mend_meta(found)
list_again(ids, found.config)
list_again(overlay_places, found.overlays)
list_again(host_names, found.hosts)
list_again(record_places, found.records)
for _, place in ipairs(found.config.gone) do
  mutate('HDEL', versions, place)
  forget_past(place)
end
for _, place in ipairs(found.broken) do forget_past(place) end
for _, last in ipairs(found.specs) do mutate('HSET', spec_revisions, last[1], last[2]) end
for _, last in ipairs(found.profiles) do mutate('HSET', profile_revisions, last[1], last[2]) end
for _, place in ipairs(found.versionless) do
  local revision = string.match(redis.call('HGET', versions, place) or '', '^(%d+) ') or '0'
  mutate('HSET', versions, place, revision .. ' 0' .. now() .. '\n')
end
for _, field in ipairs(found.broken_scopes) do
  mutate('HDEL', host_scopes, field)
  mutate('HDEL', host_heads, field)
  mutate('ZREM', host_names, field)
end
for _, namespace in ipairs(found.tokens) do mutate('HSET', tokens, namespace, numeral(number_of_meta('config_cursor'))) end
local counts = counts_of(MEASURED)
count_fields = {}  -- the counts are set, and not counted themselves
mutate('HSET', meta, unpack(counts))
return losses
