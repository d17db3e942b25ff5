-- Outputs of steps in one hash. A value carries its place in the order of first recording in front: '<place>:<json>'.
-- The outputs of a loop have their number of iterations in a field of its own, so that skipped ones read as empty.

--- @include lib/arguments
--- @include lib/counters
--- @include lib/mutate

-- field, output (JSON), field of the loop's length ('' = no loop), iteration
local function take_output()
  return { field = take(), json = take(), length_field = take(), iteration = tonumber(take()) }
end

-- how many iterations of the loop of an output have outputs; 0 if it has no loop
local function loop_length(key, output)
  return output.length_field == '' and 0 or number_at(key, output.length_field)
end

local function record_output(key, output)
  local known, length = redis.call('HGET', key, output.field), loop_length(key, output)
  local place = known and string.match(known, '^%d+') or redis.call('HLEN', key)
  mutate('HSET', key, output.field, place .. ':' .. output.json)
  if output.length_field ~= '' and length <= output.iteration then
    mutate('HSET', key, output.length_field, numeral(output.iteration + 1))
  end
end
