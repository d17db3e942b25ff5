-- Say how a namespace stores payloads from now on.
--
-- ARGV   expected: how it does by now, '' = as they are; settings: how it will, as redis_mob/payloads/settings writes it;
--        seals: 1 = they are sealed then
-- Reply  WON | LOST (another storage has changed it meanwhile)
-- Leaves what was stored before as it is: each payload says itself how it is stored. Once they were sealed, no seal key
--        is retired any more.

--- @include lib/mutate
--- @include lib/replies

--- @keys meta
--- @args expected settings seals
if (redis.call('HGET', meta, 'payloads') or '') ~= expected then return LOST end
mutate('HSET', meta, 'payloads', settings)
if seals == '1' then mutate('HSET', meta, 'payloads_sealed', 1) end
return WON
