-- Read the head of a scope.
--
-- Reply  nil (there is no such scope) | {version, commit id, head}
-- Leaves everything as it was.

--- @include lib/host_scopes

--- @keys meta host_scopes host_heads
--- @args field
local scope = scope_at(host_scopes, field)
return scope and { scope.version, scope.commit, head_at(host_heads, field) }
