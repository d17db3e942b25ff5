-- Make sure that a restoring which has not ended never does.
--
-- ARGV   id: of the restoring
-- Reply  1 | 0: it has ended, and the namespace is there
-- Leaves the namespace as being restored, if it was by this one. May run twice.

--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta
--- @args id
if redis.call('HGET', meta, 'restored') == id then return 0 end
if redis.call('HGET', meta, 'epoch') == epoch_text('0', 'restoring ' .. id) then
  mutate('HSET', meta, 'epoch', epoch_text('0', 'restoring -'))
end
return 1
