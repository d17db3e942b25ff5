-- Read records of a collection, at one moment.
--
-- ARGV   prefix: what the places of the collection begin with; behind: a place, '' for the first one; most: how many,
--        -1 for all
-- Reply  {place, record} of each, in the order of the places; a record that is missing is empty
-- Leaves everything as it was.

--- @include lib/counts
--- @include lib/many_fields

--- @keys meta generic_records record_places
--- @args prefix behind most
expect_whole('HLEN', generic_records)
expect_whole('ZCARD', record_places)
local first = behind == '' and '[' .. prefix or '(' .. behind
local places = redis.call('ZRANGE', record_places, first, '(' .. prefix .. '\255', 'BYLEX', 'LIMIT', 0, most)
local found = {}
for i, record in ipairs(values_of(generic_records, places)) do found[i] = { places[i], record or '' } end
return found
