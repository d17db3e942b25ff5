-- Take out of use the seal keys that no record needs any more.
--
-- Reply  nothing
-- Leaves the other keys in use.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/key_types

--- @keys meta seal_keys seal_key_checks
--- @args retired*
expect_hashes(seal_key_checks)
in_chunks('SREM', seal_keys, retired)
in_chunks('HDEL', seal_key_checks, retired)
