-- End a restoring: from here on the namespace is there.
--
-- ARGV   id: of the restoring; fields*: those of `meta`
-- Reply  1 | 0: another restoring has begun
-- Leaves `meta` as it was in the backup.

--- @include lib/arguments
--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta
--- @args id fields*
if redis.call('HGET', meta, 'epoch') ~= epoch_text('0', 'restoring ' .. id) then
  -- it may be this one, whose reply was lost
  return redis.call('HGET', meta, 'restored') == id and 1 or 0
end
mutate('DEL', meta)
mutate('HSET', meta, 'restored', id, unpack(fields))
return 1
