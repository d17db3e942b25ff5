-- Outputs of steps in one hash. A value carries its place in the order of first recording in front: '<place>:<json>'.
-- The outputs of a loop have their number of iterations in a field of its own, so that skipped ones read as empty.

local function record_output(key, field, json)
  local known = redis.call('HGET', key, field)
  local place = known and string.match(known, '^%d+') or redis.call('HLEN', key)
  redis.call('HSET', key, field, place .. ':' .. json)
end

local function cover_iteration(key, length_field, iteration)
  if tonumber(redis.call('HGET', key, length_field) or '0') <= iteration then
    redis.call('HSET', key, length_field, iteration + 1)
  end
end
