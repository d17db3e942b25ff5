-- End a migration: all is done.
--
-- ARGV   id: of the migrator
-- Reply  LOST if another one has come | WON
-- Leaves nothing of it but what it has changed.

--- @include lib/migration_fence
--- @include lib/mutate
--- @include lib/replies

--- @keys meta
--- @args id
if not is_migrator(meta, id) then return LOST end
mutate('HDEL', meta, 'migration')
return WON
