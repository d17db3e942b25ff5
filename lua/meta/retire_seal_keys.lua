-- Take out of use the seal keys that no record needs any more.
--
-- KEYS   1 seal keys in use
-- ARGV   ids
-- Reply  nothing
-- Leaves the other keys in use.

--- @include lib/arguments
--- @include lib/chunks

in_chunks('SREM', KEYS[1], take_list())
