-- Take out of use the seal keys that no record needs any more.
--
-- Reply  nothing
-- Leaves the other keys in use.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/key_types

--- @keys in_use checks
--- @args retired*
expect_hashes(checks)
in_chunks('SREM', in_use, retired)
in_chunks('HDEL', checks, retired)
