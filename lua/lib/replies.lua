-- The reply codes that all scripts share; redis_mob/connection/calls/replies.py gives them their meaning.

local WON = 1
local LOST = 0
local NOT_FOUND = -1
local EXISTS = -2
local CONFLICT = -3
local NO_STEP = -4
