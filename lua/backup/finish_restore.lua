-- End a restoring: from here on the namespace is there.
--
-- ARGV   id: of the restoring; fields*: those of `meta`
-- Reply  1 | 0: another restoring has begun
-- Leaves `meta` as it was in the backup.

--- @include lib/arguments
--- @include lib/mutate

--- @keys meta
--- @args id fields*
local state = redis.call('HGET', meta, 'state')
if state ~= 'restoring ' .. id then
  -- it may be this one, whose reply was lost
  return redis.call('HGET', meta, 'restored') == id and 1 or 0
end
mutate('DEL', meta)
mutate('HSET', meta, 'restored', id, unpack(fields))
return 1
