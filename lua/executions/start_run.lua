-- Create a run that the fleet is to drive, with what it was started with.
--
-- KEYS   due: runs by time; limits: how many executions of a role may be under way; tombstone: there is one if the id is
--        that of a deleted run which is not to be started again; by_attribute: the index of the runs by attribute, none for a run
--        without attributes
-- ARGV   digest: of the definition; at: when the run begins (ms), '' for now; prefix: of its place among the runs;
--        limited: roles of the run and their limits, in turns; unlimited: its other roles; parts: one list for each of the
--        first ten keys
-- Reply  WON | EXISTS
-- Leaves the run pending, and due when it begins, and its definition stored once; nothing if it existed. Its field
--        `recorded` counts the decisions whose events are recorded (see lib/recorded_events): all, unless a worker of an
--        older release makes one.

--- @include lib/replies
--- @include lib/run_creation
--- @include lib/run_head
--- @include lib/run_start
--- @include lib/attributes

--- @keys run frames loops outputs steps step_outputs failures iterations inputs index meta runs definitions due limits
--- @keys runs_by_status channel tombstone by_attribute*
--- @args launch digest definition at run_id prefix limited* unlimited* parts:list*
if run_exists(run, index) or redis.call('EXISTS', tombstone) == 1 then return EXISTS end
expect_start(meta, definitions, due, limits, digest)
local attributes = by_attribute[1] and attributes_of(run, value_of(parts[1], 'attributes')) or {}
if by_attribute[1] then expect_sorted_sets(by_attribute[1]) end
local begins = math.max(tonumber(at) or 0, NOW)

local keys = { run, frames, loops, outputs, steps, step_outputs, failures, iterations, inputs, index }
create_run(keys, parts, meta, runs, runs_by_status, run_id, prefix)
mutate('HSET', run, 'launch', launch, 'launched_at', launched_at(begins), 'recorded', numeral(0))
if by_attribute[1] then enter_attributes(meta, by_attribute[1], attributes, run_id) end
enter_start(definitions, due, limits, channel,
  { digest = digest, definition = definition, begins = begins, run_id = run_id, limited = limited, unlimited = unlimited })
return WON
