-- What the field `state` of `meta` says: the namespace is being restored, or was moved, so that nothing may be written to it.
-- `backup` and `changes` say that what is written is followed (lib/change_tracking). Decision 0059.

local stands = string.match(standing[2], '^%S+')
if stands == 'restoring' then
  return redis.error_reply('RESTORING the namespace is being restored: try again when `redis-mob restore` has ended')
elseif stands == 'moved' then
  return redis.error_reply('MOVEDAWAY the namespace was moved: use ' .. string.sub(standing[2], 7))
end
