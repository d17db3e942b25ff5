-- Confirm that no higher token was given, and prolong the lease of its holder.
--
-- ARGV   token; lease: how long its holder counts as live from now on, in milliseconds
-- Reply  {WON, token} | {LOST, the highest token that was given, 0 for none}
-- Leaves the lease of the holder as long as that from now on; nothing when not won.

--- @include lib/host_fence
--- @include lib/mutate
--- @include lib/replies

--- @keys meta host_fence
--- @args token lease
read_clock(meta)
local current = fence_at(host_fence)
if current ~= tonumber(token) then return { LOST, current } end

mutate('HSET', host_fence, 'until', numeral(NOW + tonumber(lease)))
return { WON, current }
