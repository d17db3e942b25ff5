-- End the deletion of a run of which nothing is left but the record of that, and perhaps its definition.
--
-- ARGV   run_id: of the run; about: what the caller has read of the deletion; definition: digest of one that no run has, '' = another run has it; created: how many runs
--        were ever created when it was last looked for one
-- Reply  WON (it is ended, or was before) | NOT_FOUND (it is another one by now) | LOST (more runs were created since: one of
--        them may have the definition)
-- Leaves no key of the run, and no definition that neither a run nor a schedule has.

--- @include lib/counters
--- @include lib/key_types
--- @include lib/lexical_order
--- @include lib/mutate
--- @include lib/replies
--- @include lib/when_full

--- @keys meta deletion deleted_cursors deletions definitions schedule_definitions
--- @args run_id about definition created
expect_hashes(deletion, deletions, definitions)
expect_sorted_sets(schedule_definitions)
local known = redis.call('HGET', deletion, 'about')
if known ~= about then return known and NOT_FOUND or WON end
if definition ~= '' and number_at(meta, 'runs') ~= tonumber(created) then return LOST end

local is_scheduled = definition ~= '' and #beginning_with(schedule_definitions, definition .. ' ', 1) > 0
if definition ~= '' and not is_scheduled then expect_whole('ZCARD', schedule_definitions) end

write_even_when_full(meta)
if definition ~= '' and not is_scheduled then mutate('HDEL', definitions, definition) end
mutate('HDEL', deletions, run_id)
mutate('UNLINK', deletion, deleted_cursors)
return WON
