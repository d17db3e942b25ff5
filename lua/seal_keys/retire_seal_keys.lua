-- Take out of use the seal keys that no record needs any more.
--
-- Reply  nothing
-- Leaves the other keys in use.

--- @include lib/arguments
--- @include lib/chunks

--- @keys in_use
--- @args retired*
in_chunks('SREM', in_use, retired)
