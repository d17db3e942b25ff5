-- Change the attributes and the summary of a run, for an operator or for an execution. An execution that its worker does
-- not hold any more changes nothing.
--
-- KEYS   by_attribute: the index of the runs by attribute (see lib/attributes)
-- ARGV   member: of the run in messages; field, expected: the execution, and its record as the worker claimed it, '' for
--        an operator; removed: digests of the names of attributes that go; changed: attributes as they are stored;
--        sets_summary: 1 if that changes; summary: a list of the next one, empty for none; most: attributes that a run may have
-- Reply  WON | LOST (the worker does not hold the execution) | CONFLICT (there would be too many) | NOT_FOUND | UNNUMBERED (the
--        run has no number of creation yet, as older releases left it: nothing was changed)
-- Leaves the attributes and the summary of the run, and the index, as they are asked for; others as they were.

--- @include lib/replies
--- @include lib/announce
--- @include lib/arguments
--- @include lib/attributes
--- @include lib/compare
--- @include lib/key_types
--- @include lib/status

local UNNUMBERED = -5

--- @keys run index executions meta by_attribute channel
--- @args member field expected removed* changed* sets_summary summary* most
if not status_of(run, index) then return NOT_FOUND end
if field ~= '' and not is_as_read(executions, expected, redis.call('HGET', executions, field)) then return LOST end

local sequence, stored, said = unpack(redis.call('HMGET', run, 'sequence', 'attributes', 'summary'), 1, 3)
if not (stored and said) then expect_whole('HLEN', run) end
local number = number_at(run, 'sequence', sequence)
if number == 0 and #changed > 0 then return UNNUMBERED end
expect_sorted_sets(by_attribute)
local last = string.format('%016d', number) .. string.sub(run, -36)

-- by the digests of their names: those that go have none to come
local next_of, place_before = {}, {}
for _, name in ipairs(removed) do next_of[name] = {} end
for _, text in ipairs(changed) do
  local attribute = attribute_in(text)
  next_of[attribute.name] = attribute
end
local before = attributes_of(run, stored)
local after, gone, come = {}, {}, {}
for _, attribute in ipairs(before) do
  place_before[attribute.name] = attribute.place
  local following = next_of[attribute.name]
  if not following then
    after[#after + 1] = attribute.text
  elseif following.place ~= attribute.place then
    gone[#gone + 1] = attribute
  end
end
for name, attribute in pairs(next_of) do
  if attribute.text then
    after[#after + 1] = attribute.text
    if attribute.place ~= place_before[name] then come[#come + 1] = attribute end
  end
end
if #after > tonumber(most) and #after > #before then return CONFLICT end

if #after > 0 then
  mutate('HSET', run, 'attributes', stored_attributes(after))
elseif stored then
  mutate('HDEL', run, 'attributes')
end
if sets_summary == '1' then
  if summary[1] then
    mutate('HSET', run, 'summary', summary[1])
  elseif said then
    mutate('HDEL', run, 'summary')
  end
end
if #come + #gone > 0 then
  know_attributed(meta, number_attributed(meta) + #come - #gone)
end
add_places(by_attribute, places_of(come, last))
remove_places(by_attribute, places_of(gone, last))
announce(channel, member .. ' changed')
return WON
