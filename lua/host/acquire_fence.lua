-- Acquire the fence of the realm.
--
-- ARGV   exclusive: '1' if a live holder refuses it; lease: how long the new holder counts as live, in milliseconds
-- Reply  {WON, token, time} | {LOST, token of the live holder, time}: the milliseconds until the lease of the other holder
--        ends, 0 if there is none
-- Leaves a token that is higher than any before, and its lease from now on; nothing when not won.

--- @include lib/host_fence
--- @include lib/mutate
--- @include lib/replies

--- @keys meta host_fence
--- @args exclusive lease
read_clock(meta)
local token, ends, commits = fence_at(host_fence)
local left = math.max(0, ends - NOW)
if left > 0 and exclusive == '1' then return { LOST, token, left } end

mutate('HSET', host_fence, 'token', numeral(token + 1), 'until', numeral(NOW + tonumber(lease)), 'commits', numeral(commits))
return { WON, token + 1, left }
