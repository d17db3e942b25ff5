-- Remove keys of a namespace that is being restored, the state at the end of one that was given up.
--
-- ARGV   id: of the restoring, - of one that was given up
-- Reply  1 | 0: another restoring has begun
-- Leaves none of the keys. May run twice.

--- @include lib/mutate
--- @include lib/namespace_state

--- @keys meta wanted*
--- @args id
if redis.call('HGET', meta, 'epoch') ~= epoch_text('0', 'restoring ' .. id) then return 0 end
for _, key in ipairs(wanted) do mutate('UNLINK', key) end
return 1
