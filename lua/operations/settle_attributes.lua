-- Know again how many places the index of the runs by attribute is to hold, once it was made anew.
--
-- ARGV   seen: what was known before that, '' to learn it
-- Reply  what is known
-- Leaves it as the number that the index has, unless attributes have come or gone meanwhile.

--- @include lib/attributes

--- @keys meta by_attribute
--- @args seen
local found = redis.call('ZCARD', by_attribute)
local known = decimal(number_attributed(meta))
if seen ~= known or known == decimal(found) then return known end
know_attributed(meta, found)
return decimal(found)
