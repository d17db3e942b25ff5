-- `epoch` of `meta` is the number of the epoch and, behind a space, the state of the namespace if it has one, so that calls
-- learn of it by the comparison that they make anyway (decision 0059):
--
--   backup <id> <deadline in ms> <key of the changes>   what is written is noted, for a backup that is under way
--   changes <id> 0 <key of the changes>                 what is written is noted, for the next backup
--   restoring <id>                                      it is not there yet, and nothing may be written
--   moved <id> <place>                                  it is elsewhere, and nothing may be written
--
-- The id of a move begins with `move:`, in both places; that of a restoring which was given up is `-`.

local STATES = { backup = true, changes = true, restoring = true, moved = true }

-- nil of an epoch that is damaged
local function epoch_and_state(text)
  local number, state = string.match(text or '', '^(%d+) ?(.*)$')
  if state == '' then return number end
  if number and STATES[string.match(state, '^%l*')] then return number, state end
end

local function epoch_text(number, state)
  return state and number .. ' ' .. state or number
end
