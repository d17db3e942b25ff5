-- Read what is known of a conversation beside its history.
--
-- KEYS   conversing: see lib/conversations; conversation, items: see lib/conversation_items
-- ARGV   id_digest: of its id; most: runs that are named
-- Reply  nil (there is no such conversation) | {its hash, number of its items, how long it is kept yet (ms, -1 = it does not
--        expire), number of its runs under way, ids of the first of them}
-- Leaves everything as it was.

--- @include lib/conversation_items
--- @include lib/counts
--- @include lib/lexical_order

--- @keys meta conversing conversation items
--- @args id_digest most
local runs = {}
for _, place in ipairs(beginning_with(conversing, id_digest, most)) do runs[#runs + 1] = string.sub(place, -36) end
if #runs == 0 then expect_whole('ZCARD', conversing) end
local fields = redis.call('HGETALL', conversation)
local history = history_of(conversation, items)
if not history and #runs == 0 then return nil end
if #runs > 0 and not (history and redis.call('HEXISTS', conversation, 'about') == 1) then
  damaged(conversation, 'it has lost what is known of it')
end
return { fields, redis.call('XLEN', items), redis.call('PTTL', conversation), number_with(conversing, id_digest), runs }
