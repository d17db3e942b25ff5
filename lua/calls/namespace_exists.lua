-- Say whether a namespace has any key, but for those of runs and sessions.
--
-- Reply  1 | 0
-- Leaves everything as it was.

--- @include lib/namespace_keys

return has_keys() and 1 or 0
