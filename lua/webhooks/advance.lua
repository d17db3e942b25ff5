-- Store how far a webhook is, and keep the turn.
--
-- ARGV   holder, number: of the turn; length: how long the turn is from now on (ms); settled: letters that were delivered
--        again, or are dead again; dead: those that are dead now, from the cursor on; most: how many of these are kept
-- Reply  {number of the progress, now (ms), revision of the webhook, letters to deliver again}
--        | LOST (the turn is that of another one, or there is no such webhook)
-- Leaves the progress and its letters, without the oldest of them that are too many; nothing when lost.

--- @include lib/arguments
--- @include lib/chunks
--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/replies
--- @include lib/webhook_records

--- @keys meta webhooks webhook_progress dead_letters
--- @args name holder number length document settled* dead* most
local stored, known = known_webhook(webhooks, webhook_progress, name)
if not stored then return LOST end
if known.number ~= number or known.holder ~= holder then return LOST end
local revision = webhook_revision(webhooks, stored)
redis.call('ZCARD', dead_letters)
read_clock(meta)

in_chunks('ZREM', dead_letters, settled)
for _, letter in ipairs(dead) do mutate('ZADD', dead_letters, 0, #name .. ':' .. name .. 'd' .. letter) end
local over, dropped = count_letters(dead_letters, name, 'd') - most, number_in(known.dropped) or 0
if over > 0 then
  in_chunks('ZREM', dead_letters, letters_of(dead_letters, name, 'd', '', over))
  dropped = dropped + over
end
local again = letters_of(dead_letters, name, 'r', '', MOST_AGAIN)
local next_number = decimal((number_in(known.number) or 0) + 1)
mutate('HSET', webhook_progress, name, progress_text(next_number, NOW + length, decimal(dropped), holder, document))
return { next_number, NOW, revision, again }
