-- Outputs of steps in one hash. A value carries its place in the order of first recording in front: '<place>:<json>'.
-- The outputs of a loop have their number of iterations in a field of its own, so that skipped ones read as empty.

--- @include lib/arguments

-- field, output (JSON), field of the loop's length ('' = no loop), iteration
local function take_output()
  return { field = take(), json = take(), length_field = take(), iteration = tonumber(take()) }
end

local function record_output(key, output)
  local known = redis.call('HGET', key, output.field)
  local place = known and string.match(known, '^%d+') or redis.call('HLEN', key)
  redis.call('HSET', key, output.field, place .. ':' .. output.json)
  if output.length_field == '' then return end
  if tonumber(redis.call('HGET', key, output.length_field) or '0') <= output.iteration then
    redis.call('HSET', key, output.length_field, output.iteration + 1)
  end
end
