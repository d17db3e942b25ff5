-- Take out of use the seal keys that no record needs any more.
--
-- Reply  nothing
-- Leaves the other keys in use, and all of them once payloads were sealed: these are not sealed anew.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/key_types

--- @keys meta seal_keys seal_key_checks
--- @args retired*
if redis.call('HGET', meta, 'payloads_sealed') then return end
expect_hashes(seal_key_checks)
in_chunks('SREM', seal_keys, retired)
in_chunks('HDEL', seal_key_checks, retired)
