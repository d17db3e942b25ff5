-- How a script tells that it cannot go on because of what a key has lost; connection/calls/damage.py makes the error of it.

local function damaged(key, what)
  error('DAMAGED ' .. key .. ' ' .. what, 0)
end
