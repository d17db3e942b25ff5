-- Start a run under a debounce key: the run of that key which has not begun is started anew, in its place, or there is none
-- and one is created, as start_run does it.
--
-- KEYS   due: runs by time; limits: how many executions of a role may be under way; tombstone: there is one if the id is
--        that of a deleted run; debounces: see lib/debounces; by_attribute: the index of the runs by attribute
-- ARGV   digest: of the definition; run_id: of the run whose keys these are; prefix: of its place among the runs; limited,
--        unlimited: as in start_run; parts: one list for each of the first ten keys, those of a run that has not begun;
--        debounce_digest: of mob, flow and key; debounce: how long after this call the run begins (ms); most: how long
--        after the first one at the latest (ms), '' = however long
-- Reply  WON | the id of the run that the key has, with whose keys this is to be called again; '' with those of a new one
-- Leaves the run pending, with what it was started with last, due when it begins, and as that of the key. An entry goes
--        whose run has begun, was cancelled or is gone. A transition of the run as it was before is lost: a decision by the
--        version, a fact by the number of moves.

--- @include lib/replies
--- @include lib/attributes
--- @include lib/debounces
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/run_start

local OF_ANOTHER = ''

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs definitions due limits
--- @keys runs_by_status channel tombstone debounces by_attribute
--- @args launch digest definition run_id prefix limited* unlimited* parts:list* debounce_digest debounce most
local entry = redis.call('HGET', debounces, debounce_digest)
if not entry then expect_whole('HLEN', debounces) end
local held, first = debounced_run(debounces, entry)
if held and held ~= run_id then return held end
local status = status_of(run, index)
if held and (status ~= 'pending' or redis.call('HEXISTS', run, 'cancel_requested_at') == 1) then
  mutate('HDEL', debounces, debounce_digest)
  return OF_ANOTHER
end
if not held and (status or redis.call('EXISTS', tombstone) == 1) then return OF_ANOTHER end
expect_sorted_sets(by_attribute)
expect_lists(inputs)
expect_start(meta, definitions, due, limits, digest)
local head = parts[1]
local attributes = attributes_of(run, value_of(head, 'attributes'))
local begins = NOW + tonumber(debounce)
if most ~= '' then begins = math.min(begins, (first or NOW) + tonumber(most)) end
begins = math.max(begins, NOW)

-- What stays of a run that is started anew: what it is, what was done with it, and what counts.
local KEPT = { 'head', 'counted', 'sequence', 'version', 'recorded', 'reports', 'moves', 'signals', 'paused', 'debounce' }

local function is_kept(name)
  if string.sub(name, 1, 2) == 'n:' then return true end
  for _, kept in ipairs(KEPT) do
    if name == kept then return true end
  end
  return false
end

local function start_anew()
  local decided, recorded, moves, stored, sequence =
    unpack(redis.call('HMGET', run, 'version', 'recorded', 'moves', 'attributes', 'sequence'), 1, 5)
  local decisions, moved = number_at(run, 'version', decided), number_at(run, 'moves', moves)
  local last = string.format('%016d', number_at(run, 'sequence', sequence)) .. run_id
  local before, there = attributes_of(run, stored), number_attributed(meta)
  local stands, next_fields, gone = {}, {}, {}
  for i = 1, #head, 2 do
    if not is_kept(head[i]) then
      stands[head[i]] = true
      next_fields[#next_fields + 1], next_fields[#next_fields + 2] = head[i], head[i + 1]
    end
  end
  for _, name in ipairs(redis.call('HKEYS', run)) do
    if not (stands[name] or is_kept(name) or name == 'launch' or name == 'launched_at') then gone[#gone + 1] = name end
  end
  local stored_inputs, is_other = redis.call('LRANGE', inputs, 0, -1), false
  for i = 1, math.max(#stored_inputs, #parts[9]) do is_other = is_other or stored_inputs[i] ~= parts[9][i] end

  in_chunks('HSET', run, next_fields)
  mutate('HSET', run, 'launch', launch, 'launched_at', launched_at(begins), 'moves', numeral(moved + 1),
    'version', numeral(decisions + 1))
  if recorded and number_in(recorded) == decisions then mutate('HSET', run, 'recorded', numeral(decisions + 1)) end
  in_chunks('HDEL', run, gone)
  if is_other then
    mutate('UNLINK', inputs)
    count(inputs, -#stored_inputs)
    in_chunks('RPUSH', inputs, parts[9])
  end
  if #before + #attributes > 0 then
    know_attributed(meta, there + #attributes - #before)
    remove_places(by_attribute, places_of(before, last))
    add_places(by_attribute, places_of(attributes, last))
  end
end

local function create()
  local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
  create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
  mutate('HSET', run, 'launch', launch, 'launched_at', launched_at(begins), 'recorded', numeral(0), 'debounce',
    debounce_digest)
  mutate('HSET', debounces, debounce_digest, run_id .. ' ' .. decimal(NOW) .. '\n')
  if #attributes > 0 then enter_attributes(meta, by_attribute, attributes, run_id) end
end

if held then start_anew() else create() end
enter_start(definitions, due, limits, channel,
  { digest = digest, definition = definition, begins = begins, run_id = run_id, limited = limited, unlimited = unlimited })
return WON
