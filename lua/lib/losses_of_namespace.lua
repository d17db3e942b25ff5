-- What the keys of a namespace have lost that are not those of a run.

--- @include lib/config_versions
--- @include lib/counters
--- @include lib/losses
--- @include lib/namespace_keys
--- @include lib/host_losses

local MEASURED = {
  { 'HLEN', specs, spec_revisions, profiles, profile_revisions, supervisors, overlays, definitions, event_identities,
    documents, versions, history, tokens, seal_key_checks, lost, limits, deletions, retention, schedules, pauses,
    webhooks, webhook_secrets, webhook_progress, debounces, budgets, reservations, model_usage,
    host_fence, host_scopes, host_heads, host_rows, host_commits, generic_records },
  { 'ZCARD', overlay_places, due, ready, queued, workers, events_by_time, ids, scheduled, schedule_definitions,
    dead_letters, gated, gate_times, asks, conversing, host_names, host_order, record_places },
  { 'XLEN', events },
  { 'SCARD', seal_keys },
}

-- the number in a field of `meta`, nil if it is none; 0 if there is no such field
local function number_of_meta(field)
  return number_in(redis.call('HGET', meta, field) or '0')
end

local function add_damaged_field(field)
  add_loss(meta, 'its field ' .. field .. ' is no number: ' .. string.sub(redis.call('HGET', meta, field), 1, 40))
end

-- the greatest number that a stream has for an id, or that a record has at its end; one that is too great for a counter
-- was not given by it
local function greatest(stream, records)
  local last = stream and redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local most = last and number_in(string.match(last[1], '^%d+')) or 0
  for _, record in ipairs(records) do
    most = math.max(most, number_in(string.match(record, '0*(%d+)\n?$') or '') or 0)
  end
  return most
end

-- the sequences of creation of all runs: 16 digits before an id of 36 characters
local function sequences()
  local found = {}
  for i, place in ipairs(redis.call('ZRANGE', runs, 0, -1)) do found[i] = string.sub(place, -52, -37) end
  return found
end

-- the last change of each config namespace; no names of these, which may have digits at their ends
local function last_changes()
  local found, flat = {}, redis.call('HGETALL', tokens)
  for i = 2, #flat, 2 do found[#found + 1] = flat[i] end
  return found
end

-- {counter of meta, least value that it can have} of those that are gone, or behind what they have counted
local function find_counters()
  local found = {}
  local least = {
    cursor = greatest(events, redis.call('ZRANGE', events_by_time, 0, -1)),
    config_cursor = greatest(feed, last_changes()),
    runs = greatest(nil, sequences()),
  }
  for _, name in ipairs({ 'cursor', 'config_cursor', 'runs' }) do
    local text = redis.call('HGET', meta, name)
    local number = number_in(text or '0')
    if not number or number < least[name] then
      add_loss(meta, 'its counter ' .. name .. ' is ' .. (text and 'damaged' or 'gone'))
      found[name] = least[name]
    end
  end
  return found
end

-- how many runs are to be taken for lost; nil if it is known
local function find_lost_runs(created)
  local known, there = number_of_meta('runs_lost'), redis.call('ZCARD', runs)
  if not known then
    add_damaged_field('runs_lost')
  elseif there + known == created then
    return nil
  elseif there + known < created then
    add_loss(runs, there .. ' of ' .. decimal(created - known) .. ' records are there')
  else
    add_loss(meta, 'its field runs_lost counts more runs than are missing')
  end
  return math.max(created - there, 0)
end

-- records that are listed and gone, and records that are not listed
local function find_unpaired(list, records)
  local gone, unlisted = {}, {}
  for _, place in ipairs(redis.call('ZRANGE', list, 0, -1)) do
    if redis.call('HEXISTS', records, place) == 0 then gone[#gone + 1] = place end
  end
  for _, place in ipairs(redis.call('HKEYS', records)) do
    if not redis.call('ZSCORE', list, place) then unlisted[#unlisted + 1] = place end
  end
  if #gone > 0 then add_loss(records, #gone .. ' records are listed and gone') end
  if #unlisted > 0 then add_loss(list, #unlisted .. ' records are not listed') end
  return { gone = gone, unlisted = unlisted }
end

-- {name, revision} of documents whose last revision is gone, or behind them; and 0 of names without a document whose
-- last revision is no number
local function find_revisions(documents_of, revisions)
  local found, flat = {}, redis.call('HGETALL', documents_of)
  for i = 1, #flat, 2 do
    local revision = number_in(string.match(flat[i + 1], '^%d+') or '')
    local last = number_in(redis.call('HGET', revisions, flat[i]) or '0')
    if not last or revision and last < revision then found[#found + 1] = { flat[i], revision or 0 } end
  end
  if #found > 0 then add_loss(revisions, #found .. ' last revisions are gone or behind their documents') end
  local readable = #found
  flat = redis.call('HGETALL', revisions)
  for i = 1, #flat, 2 do
    if not number_in(flat[i + 1]) and redis.call('HEXISTS', documents_of, flat[i]) == 0 then
      found[#found + 1] = { flat[i], 0 }
    end
  end
  if #found > readable then add_loss(revisions, #found - readable .. ' last revisions of deleted names are no numbers') end
  return found
end

-- config namespaces whose last change is no number
local function find_tokens()
  local found, flat = {}, redis.call('HGETALL', tokens)
  for i = 1, #flat, 2 do
    if not number_in(flat[i + 1]) then found[#found + 1] = flat[i] end
  end
  if #found > 0 then add_loss(tokens, #found .. ' change tokens are no numbers') end
  return found
end

-- places of documents without a version, or with one that was cut short
local function find_versionless()
  local found = {}
  for _, place in ipairs(redis.call('HKEYS', documents)) do
    if not is_version(redis.call('HGET', versions, place) or '') then found[#found + 1] = place end
  end
  if #found > 0 then add_loss(versions, #found .. ' documents have no version') end
  return found
end

-- places of documents whose past versions have a gap, cannot be read, or have a number that is not theirs: versions stand
-- in a ring
local function find_broken_histories()
  local found = {}
  for _, place in ipairs(redis.call('HKEYS', documents)) do
    local text = redis.call('HGET', history, 'n:' .. place)
    local last = number_in(text or '0')
    local broken = not last or last < PAST and redis.call('HEXISTS', history, past_field(place, last + 1)) == 1
    for number = math.max((last or 0) - PAST + 1, 1), last or 0 do
      broken = broken or not is_past_version(redis.call('HGET', history, past_field(place, number)) or '')
    end
    if broken then found[#found + 1] = place end
  end
  if #found > 0 then add_loss(history, #found .. ' documents have lost past versions') end
  return found
end

-- nil of a namespace that was never opened
local function find_losses()
  if not has_keys() then return nil end
  local found = { counted = redis.call('HEXISTS', meta, COUNTED) == 1 }
  if not number_in(redis.call('HGET', meta, 'schema') or '') then
    add_loss(meta, 'its schema version is gone or no number')
    found.schema = true
  end
  local epoch, token_key = redis.call('HGET', meta, 'epoch'), redis.call('HGET', meta, 'token_key')
  -- older releases gave a namespace neither
  if not string.match(epoch or '', '^%d+$') and (epoch or found.counted or found.schema) then
    add_loss(meta, 'its epoch is gone')
    found.epoch = true
  end
  if not string.match(token_key or '', '^' .. string.rep('%x', 64) .. '$') and (token_key or found.counted or found.schema) then
    add_loss(meta, 'its key of tokens is gone')
    found.token_key = true
  end
  if found.counted then
    find_counted(MEASURED)
  else
    add_loss(meta, NOT_COUNTED)
  end
  found.counters = find_counters()
  found.lost_runs = find_lost_runs(found.counters.runs or number_of_meta('runs'))
  found.config, found.overlays = find_unpaired(ids, documents), find_unpaired(overlay_places, overlays)
  found.records = find_unpaired(record_places, generic_records)
  found.specs, found.profiles = find_revisions(specs, spec_revisions), find_revisions(profiles, profile_revisions)
  found.tokens = find_tokens()
  found.hosts, found.broken_scopes = find_unpaired(host_names, host_scopes), find_broken_scopes()
  found.versionless, found.broken = find_versionless(), find_broken_histories()
  return found
end
