-- Take the turn to deliver what a webhook is told, or keep it.
--
-- ARGV   holder: who asks; length: how long the turn is from now on (ms)
-- Reply  {number of the progress, now (ms), revision of the webhook, letters to deliver again, document of the progress}
--        | LOST (another one has it, or there is no such webhook)
-- Leaves the turn with the holder for that long; nothing when lost.

--- @include lib/fleet_clock
--- @include lib/mutate
--- @include lib/replies
--- @include lib/webhook_records

--- @keys meta webhooks webhook_progress dead_letters
--- @args name holder length
local stored, known = known_webhook(webhooks, webhook_progress, name)
if not stored then return LOST end
read_clock(meta)
if known.holder ~= holder and known.ends > NOW then return LOST end
local revision = webhook_revision(webhooks, stored)
local again = letters_of(dead_letters, name, 'r', '', MOST_AGAIN)

local number = decimal((number_in(known.number) or 0) + 1)
mutate('HSET', webhook_progress, name, progress_text(number, NOW + length, known.dropped, holder, known.document))
return { number, NOW, revision, again, known.document }
