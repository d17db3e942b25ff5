-- Keep how far a migration is.
--
-- ARGV   id: of the migrator; done: how many runs are behind it; place: that of the last of them
-- Reply  LOST if another one has come | WON
-- Leaves the place as that behind which a migrator goes on that comes after this one.

--- @include lib/migration_fence
--- @include lib/mutate
--- @include lib/replies

--- @keys meta
--- @args id done place
if not is_migrator(meta, id) then return LOST end
mutate('HSET', meta, 'migration', id .. ' ' .. done .. ' ' .. place)
return WON
